import { chownSync, statSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import t, { type Test } from 'tap'
import { folderWith } from '../helpers/folder.ts'
import { rpcRequest, readMessages } from '../helpers/mcp-client.ts'
import { runImage, whyNoImage, type Container } from '../helpers/image.ts'
import { placeholders } from '../helpers/placeholders.ts'
import { emptyDatabase, serverUrl } from '../helpers/postgres.ts'
import { freePort } from '../helpers/server-process.ts'

const key = 'q7Wm2vX9pL4zR8tB6nC3'
const node = '/nodejs/bin/node'
const cli = (...args: string[]): string[] => [node, 'dist/src/cli.js', ...args]
const production = (databaseUrl: string): Record<string, string> => ({ DATABASE_URL: databaseUrl, API_KEY: key, PORTCULLIS_SECRET: `${key}-${key}`, ALLOWED_HOSTS: 'localhost,127.0.0.1', OTEL_SDK_DISABLED: 'true' })

t.test('the image, read-only and without rights', { skip: whyNoImage }, async (t) => {
  const url = await emptyDatabase(t)
  const [migrated, seeded] = [await finished(t, { ...production(serverUrl(url)), MIGRATION_DATABASE_URL: url }, cli('migrate')), await finished(t, { ...production(url) }, cli('seed', '--rows', '50'))]
  t.match(migrated, { code: 0, output: /schema is at version \d+, applied 001[^]*has its groups and defaults/ })
  t.match(seeded, { code: 0, output: /50 records added/ })
  const env: Record<string, string> = { ...await placeholders(async () => serverUrl(await emptyDatabase(t))), ...production(serverUrl(url)), SHUTDOWN_DELAY_MS: '0' }

  t.test('can change nothing and gain nothing', async (t) => {
    const look = `
      const { readFileSync, writeFileSync, readdirSync } = require('node:fs')
      const refused = (path) => { try { writeFileSync(path, ''); return 'written' } catch ({ code }) { return code } }
      const status = Object.fromEntries(readFileSync('/proc/self/status', 'utf8').split('\\n').map((line) => line.split(':\\t')))
      console.log(JSON.stringify({ pid: process.pid, uid: process.getuid(), gid: process.getgid(), groups: process.getgroups(), status, writes: ['/app/x', '/app/dist/x', '/tmp/x', '/x'].map(refused), names: Object.keys(process.env) }))`
    const { code, output } = await finished(t, { ONLY: 'this' }, [node, '-e', look])
    t.equal(code, 0, output)
    t.match(JSON.parse(output), {
      pid: 1, uid: 65532, gid: 65532, groups: [65532], status: { CapEff: /^0+$/, CapPrm: /^0+$/, CapInh: /^0+$/, CapAmb: /^0+$/, NoNewPrivs: '1' }, writes: ['EROFS', 'EROFS', 'EROFS', 'EROFS']
    })
    t.notMatch(output, /API_KEY|HOME=|npm_/)
  })

  t.test('refuses to serve without a database, key, secret and host list, in its own words', async (t) => {
    const { code, output } = await finished(t, { OTEL_SDK_DISABLED: 'true' })
    t.equal(code, 1)
    for (const name of ['DATABASE_URL', 'API_KEY', 'PORTCULLIS_SECRET', 'ALLOWED_HOSTS']) t.match(output, new RegExp(`- ${name}.* required`), name)
    t.notMatch(output, /embedded|at .*\.js:/, 'no other way is tried, and nothing is thrown about')
  })

  t.test('makes secrets in a volume that is mounted for it, and serves with them', async (t) => {
    t.match(await finished(t, {}, cli('secrets', 'init', '--dir', '/secrets')), { code: 1, output: /secrets failed \(EROFS\)/ }, 'without one it can\'t')
    const volume = folderWith(t)
    chownSync(volume, 65532, 65532)
    const made = await runImage(t, {}, cli('secrets', 'init', '--dir', '/secrets'), { [volume]: '/secrets' }).exit
    t.match(made, { code: 0, output: /API key, shown this once:\npc_/ })
    const { uid, mode } = statSync(join(volume, 'API_KEY'))
    t.same([uid, mode & 0o777], [65532, 0o400])

    const port = await freePort()
    const { API_KEY: _key, PORTCULLIS_SECRET: _secret, ...rest } = env
    const server = runImage(t, { ...rest, PORT: String(port), API_KEY_FILE: '/secrets/API_KEY', PORTCULLIS_SECRET_FILE: '/secrets/PORTCULLIS_SECRET' }, undefined, { [volume]: '/secrets' })
    await untilServing(server, port)
    t.equal((await call(port, 'get_pool_status', {}, made.output.trim().split('\n').at(-1))).status, 200)
    t.equal((await call(port, 'get_pool_status', {})).status, 401)
    server.kill('SIGTERM')
    t.equal((await server.exit).code, 0)
  })

  t.test('serves, says how it is, and lets a call in flight finish after SIGTERM', async (t) => {
    const port = await freePort()
    const health = async (): Promise<{ code: number | null, output: string }> => await finished(t, { PORT: String(port) }, [node, 'dist/src/healthcheck.js'])
    t.match(await health(), { code: 1, output: /^not healthy: .*can't be reached \(ECONNREFUSED\)\n$/ })

    const server = runImage(t, { ...env, PORT: String(port) })
    await untilServing(server, port)
    t.match(await health(), { code: 0, output: /\/livez answers 200\n$/ })
    t.equal((await call(port, 'get_statistics', { group_by: 'status' }, 'another-key-of-20-char')).status, 401)
    t.match((await call(port, 'get_statistics', { group_by: 'status' })).message, { result: { structuredContent: { total: 50 } } })
    const { results: [{ id }] } = (await call(port, 'search_records', { query: 'sample', limit: 1 })).message.result.structuredContent

    const lock = await locked(t, url)
    const answer = call(port, 'get_record_detail', { record_id: id })
    await lock.untilSomebodyWaits()
    server.kill('SIGTERM')
    await untilLogged(server, 'stopping: no new connections')
    await lock.release()
    t.match(await answer, { status: 200, message: { result: { structuredContent: { id } } } })
    t.equal((await server.exit).code, 0, server.output())
    t.match(server.output(), /"msg":"stopped"/)
    t.equal((await health()).code, 1)
  })
})

async function finished (t: Test, env: Record<string, string>, command?: string[]): Promise<{ code: number | null, output: string }> {
  return await runImage(t, env, command).exit
}

async function untilLogged (server: Container, text: string): Promise<void> {
  while (!server.output().includes(text)) {
    if (server.child.exitCode !== null) throw new Error(`it ended: ${server.output()}`)
    await new Promise((resolve) => { server.child.stdout?.once('data', resolve); server.child.once('exit', resolve) })
  }
}

async function untilServing (server: Container, port: number): Promise<void> {
  await untilLogged(server, 'Server listening')
  const ready = await fetch(`http://127.0.0.1:${port}/readyz`)
  if (ready.status !== 200) throw new Error(await ready.text())
}

async function call (port: number, name: string, args: Record<string, unknown>, bearer = key): Promise<{ status: number, message: any }> {
  const { headers: { host: _host, ...headers }, body } = rpcRequest('tools/call', { name, arguments: args })
  const answer = await fetch(`http://127.0.0.1:${port}/mcp`, { method: 'POST', headers: { ...headers, authorization: `Bearer ${bearer}` }, body: JSON.stringify(body) })
  const text = await answer.text()
  return { status: answer.status, message: answer.ok ? readMessages(text).at(-1) : text }
}

/** Keeps every reader of the records waiting. */
async function locked (t: Test, url: string): Promise<{ untilSomebodyWaits: () => Promise<void>, release: () => Promise<void> }> {
  const client = new pg.Client({ connectionString: url })
  t.teardown(async () => { await client.end() })
  await client.connect()
  await client.query('begin')
  await client.query('lock table records in access exclusive mode')
  return {
    untilSomebodyWaits: async () => {
      while ((await client.query('select from pg_locks where not granted and relation = \'records\'::regclass')).rowCount === 0);
    },
    release: async () => { await client.query('rollback') }
  }
}
