import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'
import { allowlistFile } from '../helpers/allowlist.ts'
import { emptyDatabase, runSql, serverUrl } from '../helpers/postgres.ts'
import { buildServer, workingDirectory } from '../helpers/server-process.ts'

const out = buildServer(t)
const cwd = workingDirectory(t)
const url = await emptyDatabase(t)

function portcullis (args: string[], env: Record<string, string> = { DATABASE_URL: url }): { status: number | null, stdout: string, stderr: string } {
  return spawnSync(process.execPath, [join(out, 'src/cli.js'), ...args], { cwd, encoding: 'utf8', env: { PATH: process.env.PATH, NODE_V8_COVERAGE: process.env.COVERAGE_FOLDER, ...env } })
}

t.test('migrate brings the schema up to date, once', async (t) => {
  t.match(portcullis(['migrate']), { status: 0, stdout: /^schema is at version \d+, applied 001\.do\.records\.sql/, stderr: '' })
  t.match(portcullis(['migrate']), { status: 0, stdout: /^schema is at version \d+, nothing to do\n$/ })
})

t.test('migrate prepares the role that the server logs in with, when that is not the one that migrates', async (t) => {
  const DATABASE_URL = serverUrl(url)
  const role = new URL(DATABASE_URL).username
  await runSql(url, `revoke portcullis_reader, portcullis_writer from ${role}`)
  await t.rejects(runSql(DATABASE_URL, 'select from records'), { code: '42501' })
  t.match(portcullis(['migrate'], { MIGRATION_DATABASE_URL: url, DATABASE_URL, CALL_TIMEOUT_MS: '7000' }), { status: 0, stdout: new RegExp(`^the role "${role}" of DATABASE_URL has its groups and defaults$`, 'm') })
  t.match((await runSql(DATABASE_URL, 'select from records', 'show statement_timeout'))[1]?.rows, [{ statement_timeout: '7s' }])

  const absent = portcullis(['migrate'], { MIGRATION_DATABASE_URL: url, DATABASE_URL: 'postgres://nobody_there:secret-word@127.0.0.1:1/none' })
  t.match(absent, { status: 1, stderr: /^the role "nobody_there" of DATABASE_URL is not ready; have an administrator run: create role "nobody_there" login password '\.\.\.'; then run portcullis migrate again\n$/ })
  t.notMatch(absent.stderr, /secret-word/)
  t.match(portcullis(['migrate'], { DATABASE_URL: url, PORTCULLIS_ENV: 'production' }), { status: 0, stdout: /^no role was prepared for the server, since none but "\w+" was named: /m })
})

t.test('seed adds records up to a number', async (t) => {
  t.match(portcullis(['seed', '--rows', '30']), { status: 0, stdout: /^30 records added$/m })
  t.match(portcullis(['seed', '--rows', '50'], { MIGRATION_DATABASE_URL: url, DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none' }), { status: 0, stdout: /^20 records added$/m }, 'MIGRATION_DATABASE_URL goes first')
  const [counted] = await runSql(url, 'select count(*)::int as n from records')
  t.equal(counted?.rows[0].n, 50)
})

t.test('what it can\'t do it says in a line, with how it is used', async (t) => {
  const mistakes: Array<[args: string[], said: RegExp]> = [
    [[], /^name a command$/m],
    [['grow'], /^there is no command "grow"$/m],
    [['constructor'], /^there is no command "constructor"$/m],
    [['seed', '--rows', '0'], /^--rows must be a whole number from 1 to 99999999$/m],
    [['seed', '--rows', '1e9'], /^--rows must be/m],
    [['seed', '--lines', '5'], /--lines/],
    [['migrate', 'now'], /now/]
  ]
  for (const [args, said] of mistakes) {
    const { status, stderr } = portcullis(args)
    t.equal(status, 2)
    t.match(stderr, said)
    t.match(stderr, /^Usage:/m)
    t.notMatch(stderr, /\n {4}at /)
  }
})

t.test('a database that it can\'t use ends it in a line without a secret', async (t) => {
  const away = 'postgres://x:secret-word@127.0.0.1:1/db'
  const refused: Array<[env: Record<string, string>, status: number, said: RegExp]> = [
    [{ DATABASE_URL: 'mysql://x:secret-word@h/db' }, 2, /DATABASE_URL must start with/],
    [{ PORTCULLIS_ENV: 'production' }, 2, /MIGRATION_DATABASE_URL or DATABASE_URL is required in production\nfrom the vault$/m],
    [{ DATABASE_URL: away }, 1, /^migrate failed \(ECONNREFUSED\).*\nfrom the vault$/m],
    [{ MIGRATION_DATABASE_URL: away }, 1, /^migrate failed \(ECONNREFUSED\)[^\n]*\n$/]
  ]
  for (const [env, expected, said] of refused) {
    const { status, stderr } = portcullis(['migrate', '--hint', 'from the vault'], env)
    t.equal(status, expected, 'another try may help against 1')
    t.match(stderr, said)
    t.notMatch(stderr, /secret-word|\n {4}at /)
  }
})

t.test('keys new prints a key once, with its line', async (t) => {
  const { status, stdout } = portcullis(['keys', 'new', '--id', 'ci', '--role', 'reader', '--role', 'writer', '--expires', '2027-01-31'])
  t.equal(status, 0)
  t.match(stdout, /^pc_[\w-]{43}$/m)
  t.match(stdout, /^ci sha256:[0-9a-f]{64} roles=reader,writer expires=2027-01-31T00:00:00\.000Z$/m)
  for (const args of [['keys'], ['keys', 'new'], ['keys', 'new', '--id', 'ci'], ['keys', 'old', '--id', 'ci', '--role', 'a'], ['keys', 'new', '--id', 'c i', '--role', 'a'], ['keys', 'new', '--id', 'ci', '--role', 'a', '--expires', 'soon'], ['keys', 'new', '--id', 'ci', '--role', 'a', '--expires', '2020-01-31']]) {
    const { status, stdout, stderr } = portcullis(args)
    t.same([status, stdout], [args.includes('c i') ? 1 : 2, ''], args.join(' '))
    t.notMatch(stderr, /\n {4}at /)
  }
})

t.test('allowlist check and explain say what a policy means', async (t) => {
  t.match(portcullis(['allowlist', 'check']), { status: 0, stdout: /^config\/allowlist\.yaml is valid; its digest is [0-9a-f]{64}\n$/ })
  const file = allowlistFile(t, 'roles: { reader: { allow: ["get_*", get_weather], deny: [get_statistics] } }')
  t.match(portcullis(['allowlist', 'check', '--file', file]), { status: 1, stderr: /names get_weather, which no tool is called/ })
  t.match(portcullis(['allowlist', 'check', '--file', file, '--also', 'get_weather']), { status: 0 })
  t.match(portcullis(['allowlist', 'explain', '--file', file, '--role', 'reader', '--tool', 'get_record_detail']), { status: 0, stdout: 'allowed: roles.reader.allow has get_*\n' })
  t.match(portcullis(['allowlist', 'explain', '--file', file, '--role', 'reader', '--tool', 'get_statistics']), { status: 0, stdout: 'denied: roles.reader.deny has get_statistics\n' })
  t.match(portcullis(['allowlist', 'explain', '--file', file, '--role', 'nobody', '--role', 'reader', '--tool', 'get_record_detail']), { status: 0, stdout: 'allowed: roles.reader.allow has get_*\n' })
  t.match(portcullis(['allowlist', 'explain', '--file', file, '--role', 'reader', '--tool', 'get_nothing']), { status: 0, stderr: 'there is no tool "get_nothing" in tools/; this is what would hold for one of a package\n' })
  t.match(portcullis(['allowlist', 'explain', '--role', 'reader']), { status: 2, stderr: /^write: allowlist check, or allowlist explain/ })
  t.match(portcullis(['allowlist', 'check', '--file', '/no/such']), { status: 1, stderr: /ENOENT/ })
})
