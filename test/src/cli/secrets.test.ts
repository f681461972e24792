import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { loadConfig } from '../../../config/load.ts'
import { secretsCommand } from '../../../src/cli/secrets.ts'
import { folderWith } from '../../helpers/folder.ts'

const own = ['API_KEY', 'DATABASE_URL', 'MIGRATION_DATABASE_URL', 'PORTCULLIS_SECRET']
const shared = ['OWNER_PASSWORD', 'POSTGRES_PASSWORD', 'SERVER_PASSWORD']
const read = (dir: string, name: string): string => readFileSync(join(dir, name), 'utf8').trim()

/** What the command prints. */
async function init (t: Test, dir: string, ...more: string[]): Promise<string> {
  const lines = t.capture(console, 'log', () => {})
  await secretsCommand(['init', '--dir', dir, ...more])
  const said = lines().map(({ args }) => String(args[0])).join('\n')
  lines.restore()
  return said
}

t.test('a folder gets every secret of an installation, each readable by those who need it', async (t) => {
  const dir = join(folderWith(t), 'new/secrets')
  const said = await init(t, dir)
  t.same(readdirSync(dir).sort(), [...own, ...shared].sort())
  for (const name of own) t.equal(statSync(join(dir, name)).mode & 0o777, 0o400, name)
  for (const name of shared) t.equal(statSync(join(dir, name)).mode & 0o777, 0o440, name)
  t.equal(new Set(readdirSync(dir).map((name) => read(dir, name))).size, 7, 'no two are equal')

  t.ok(said.endsWith(`API key, shown this once:\n${read(dir, 'API_KEY')}`))
  for (const name of readdirSync(dir)) if (name !== 'API_KEY') t.notOk(said.includes(read(dir, name)), `${name} is not shown`)
})

t.test('the server takes them as files, in production', async (t) => {
  const dir = folderWith(t)
  await init(t, dir, '--database', 'db.example.com:6543/records')
  const { config } = loadConfig({ PORTCULLIS_ENV: 'production', ALLOWED_HOSTS: 'localhost', ...Object.fromEntries(own.map((name) => [`${name}_FILE`, join(dir, name)])) })
  for (const [variable, role, password] of [['DATABASE_URL', 'portcullis', 'SERVER_PASSWORD'], ['MIGRATION_DATABASE_URL', 'portcullis_owner', 'OWNER_PASSWORD']] as const) {
    t.equal(config[variable], `postgresql://${role}:${read(dir, password)}@db.example.com:6543/records`)
  }
})

t.test('what is there is kept, and what lacks is added to it', async (t) => {
  const dir = folderWith(t, { API_KEY: 'a key of my own\n', SERVER_PASSWORD: 'chosen\n' })
  const said = await init(t, dir)
  t.equal(read(dir, 'API_KEY'), 'a key of my own')
  t.match(read(dir, 'DATABASE_URL'), /portcullis:chosen@postgres:5432\/portcullis$/)
  t.notMatch(said, /API key|API_KEY|a key of my own/)

  const before = readdirSync(dir).map((name) => read(dir, name))
  t.equal(await init(t, dir), `${dir} has every secret already`)
  t.same(readdirSync(dir).map((name) => read(dir, name)), before)

  t.match(await init(t, dir, '--pooler', 'pgbouncer:6432'), /POOLED_DATABASE_URL, PGBOUNCER_USERS$/)
  t.equal(read(dir, 'PGBOUNCER_USERS'), '"portcullis" "chosen"')
  t.match(read(dir, 'POOLED_DATABASE_URL'), /@pgbouncer:6432\/portcullis$/)
})

t.test('what can\'t be meant is refused, and nothing is made of half a secret', async (t) => {
  const dir = folderWith(t)
  for (const args of [[], ['init'], ['make', '--dir', dir], ['init', '--dir', dir, '--database', 'db'], ['init', '--dir', dir, '--database', 'u:p@db:5432/x'], ['init', '--dir', dir, '--pooler', 'pgbouncer']]) {
    await t.rejects(secretsCommand(args), { message: /^write: secrets init|must be written like/ }, args.join(' '))
  }
  t.same(readdirSync(dir), [])
  writeFileSync(join(dir, 'OWNER_PASSWORD'), '')
  await t.rejects(init(t, dir), /OWNER_PASSWORD is empty; delete it/)
})
