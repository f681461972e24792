import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { connect } from 'node:net'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { allowing } from '../helpers/allowlist.ts'
import { migratedDatabase, runSql } from '../helpers/postgres.ts'
import { buildServer, startedServer, startServer, workingDirectory } from '../helpers/server-process.ts'

const out = buildServer(t)
const url = await migratedDatabase(t)

t.test('a bare fastify start serves, and logs what it lacks', async (t) => {
  const server = await startedServer(t, out, { cwd: workingDirectory(t), env: { DATABASE_URL: url }, preload: false, args: (out, port) => ['-a', '127.0.0.1', '-p', String(port), join(out, 'src/app.js')] })

  const { lacking } = await server.untilLog(({ msg }) => msg === 'started without all of its parts') as { lacking: string[] }
  t.match(lacking.join(), /fastify\.config\.cjs.*instrumentation\.js/)
  t.equal((await fetch(`${server.url}/readyz`)).status, 200)
})

t.test('the documented start lacks nothing, and its log holds no secret', async (t) => {
  const key = 'k3y-that-nobody-may-read-in-a-log-0123456789'
  const server = await startedServer(t, out, { cwd: workingDirectory(t), env: { DATABASE_URL: url, API_KEY: key, PORTCULLIS_SECRET: `s${key}`, LOG_LEVEL: 'TRACE' } })
  const ask = async (path: string, headers: Record<string, string>): Promise<number> => (await fetch(server.url + path, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: '{"jsonrpc":"2.0","id":1,"method":"tools/list"}' })).status

  t.equal(await ask('/mcp', {}), 401)
  t.equal(await ask('/mcp', { authorization: `bearer ${key}` }), 200)
  t.equal(await ask(`/mcp?token=${key}`, { 'x-api-key': key }), 200)
  t.equal(await ask('/nope', { authorization: `Bearer ${key}` }), 404)
  server.child.kill('SIGTERM')
  t.same(await server.exit, { code: 0, signal: null })
  t.same(server.logs().slice(-2).map(({ msg, signal, calls }) => [msg, signal, calls]), [['stopping: no new connections, calls in flight may finish', 'SIGTERM', 0], ['stopped', undefined, undefined]])
  t.notMatch(server.output(), /started without/)
  t.equal(server.output().includes(key), false)
  t.equal(server.output().includes(new URL(url).password), false)
})

t.test('a bad configuration ends the process with everything that is wrong, before anything starts', async (t) => {
  const server = await startServer(t, out, { cwd: workingDirectory(t), env: { DATABASE_URL: 'mysql://x', DB_POOL_MIN: '9', DB_POOL_MAX: '3', LOG_LEVEL: 'loud' } })
  t.equal((await server.exit).code, 1)
  t.match(server.output(), /3 settings are wrong/)
  for (const name of ['DATABASE_URL', 'DB_POOL_MIN', 'LOG_LEVEL']) t.match(server.output(), new RegExp(`\n  - ${name} `), name)
  t.notMatch(server.output(), /\n {4}at /, 'no stack')
})

t.test('a caller has the address that a proxy of TRUST_PROXY reports; nothing else that it sends counts', async (t) => {
  const forwarded = { 'x-forwarded-for': '198.51.100.1, 203.0.113.7', 'x-forwarded-host': 'localhost', 'x-forwarded-proto': 'https', forwarded: 'for=192.0.2.1;host=localhost' }
  for (const [setting, ip] of [['loopback', '203.0.113.7'], ['127.0.0.1, 203.0.113.0/24', '198.51.100.1'], ['10.0.0.0/8', '127.0.0.1'], ['', '127.0.0.1']] as const) {
    const server = await startedServer(t, out, { cwd: workingDirectory(t), env: { DATABASE_URL: url, TRUST_PROXY: setting } })
    const ask = async (host: string, more: Record<string, string>): Promise<number> => await new Promise((resolve, reject) => {
      request(`${server.url}/mcp`, { method: 'POST', headers: { ...forwarded, host, 'content-type': 'application/json', ...more } }, (response) => { response.resume(); resolve(response.statusCode ?? 0) })
        .on('error', reject).end('{"jsonrpc":"2.0","id":1,"method":"tools/list"}')
    })

    t.equal(await ask('evil.example', {}), 403, 'a good X-Forwarded-Host does not help a foreign Host')
    t.equal((await server.untilLog(({ msg }) => msg === 'request refused')).ip, ip, setting)
    t.equal(await ask('localhost', { 'x-forwarded-host': 'evil.example' }), 200, 'nor does a bad one harm')
    t.equal(await ask('localhost', { origin: 'https://evil.example', 'x-forwarded-host': 'evil.example' }), 403, 'the own origin is that of Host')
    t.notMatch(server.output(), /started without/)
  }
})

t.test('the options of the server are noticed when they are not used', async (t) => {
  const server = await startedServer(t, out, { cwd: workingDirectory(t), env: { DATABASE_URL: url, TRUST_PROXY: 'loopback' }, args: (out, port) => ['-o', '-a', '127.0.0.1', '-p', String(port), join(out, 'src/app.js')] })
  const { lacking } = await server.untilLog(({ msg }) => msg === 'started without all of its parts') as { lacking: string[] }
  t.match(lacking.join(), /TRUST_PROXY: add "-c \.\/fastify\.config\.cjs"/)
})

t.test('a boot that is refused, early or late, ends with its sentence on stderr and nothing else', async (t) => {
  const cwd = workingDirectory(t)
  const refused: Array<[env: Record<string, string>, sentence: RegExp]> = [
    [{ LOG_LEVEL: 'loud' }, /^Portcullis can't start, 1 setting is wrong:\n {2}- LOG_LEVEL must be one of [a-z, ]*\n$/],
    [{ API_KEYS_FILE: '/no/such/keys' }, /^API_KEYS_FILE \/no\/such\/keys, line -: the file can't be read \(ENOENT\)\n$/],
    [{ ALLOWLIST_PATH: allowing(t, 'no_such_tool') }, /^allowlist \S+ names no_such_tool, which no tool is called; correct or remove the line \(tools: [a-z_, ]*\)\n$/]
  ]
  for (const [env, sentence] of refused) {
    const server = await startServer(t, out, { cwd, env: { DATABASE_URL: url, ...env } })
    t.same(await server.exit, { code: 1, signal: null })
    t.match(server.errors(), sentence)
    t.equal(server.logs().some(({ level }) => (level as number) >= 50), false, 'not told twice')
  }
})

t.test('.env of the working directory is read, under the environment', async (t) => {
  const cwd = workingDirectory(t)
  writeFileSync(join(cwd, '.env'), `DATABASE_URL=${url}\nSERVICE_NAME=from-file\nLOG_LEVEL=debug\n`)
  const server = await startedServer(t, out, { cwd, env: { LOG_LEVEL: 'info' } })
  const response = await fetch(`${server.url}/mcp`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}' })
  t.match(await response.text(), /"name":"from-file"/)
})

t.test('an address that is neither HOST nor loopback ends the process', async (t) => {
  const address = Object.values(networkInterfaces()).flat().find((one) => one?.family === 'IPv4' && !one.internal)?.address ?? '0.0.0.0'
  const server = await startServer(t, out, { cwd: workingDirectory(t), env: { DATABASE_URL: url }, args: (out, port) => ['-o', '-a', address === '0.0.0.0' ? address : '0.0.0.0', '-p', String(port), join(out, 'src/app.js')] })
  t.equal((await server.exit).code, 1)
  t.match(server.output(), /neither HOST nor loopback; start with \\?"-c \.\/fastify\.config\.cjs/)
})

t.test('a database that does not answer is waited for, with a message; a wrong password is not', async (t) => {
  const away = await startServer(t, out, { cwd: workingDirectory(t), env: { DATABASE_URL: 'postgresql://someone:hunter2hunter2@127.0.0.1:1/x' } })
  t.match(await away.untilLog(({ msg }) => /waiting for the database/.test(String(msg))), { code: 'ECONNREFUSED' })
  away.child.kill('SIGTERM')
  t.same(await away.exit, { code: 143, signal: null }, 'a signal during the wait ends it')
  t.notMatch(away.output(), /hunter2/)

  const wrong = new URL(url)
  wrong.pathname = '/no_such_database'
  const refused = await startServer(t, out, { cwd: workingDirectory(t), env: { DATABASE_URL: wrong.href } })
  t.equal((await refused.exit).code, 1)
  t.match(refused.errors(), /^the database refused the connection of DATABASE_URL \(3D000\); correct user, password or database name\n$/)
})

t.test('production serves with what it demands, and does not migrate by itself', async (t) => {
  const key = 'q7Wm2vX9pL4zR8tB6nC3'
  const server = await startedServer(t, out, { cwd: workingDirectory(t), env: { PORTCULLIS_ENV: 'production', DATABASE_URL: url, API_KEY: key, PORTCULLIS_SECRET: `${key}${key}`, ALLOWED_HOSTS: 'mcp.example.com', SHUTDOWN_DELAY_MS: '0' } })
  const ask = async (host: string): Promise<number> => await new Promise((resolve, reject) => {
    request(`${server.url}/mcp`, { method: 'POST', headers: { host, 'content-type': 'application/json', 'x-api-key': key } }, (response) => { response.resume(); resolve(response.statusCode ?? 0) })
      .on('error', reject).end('{"jsonrpc":"2.0","id":1,"method":"tools/list"}')
  })
  t.equal(await ask('mcp.example.com'), 200)
  t.equal(await ask('localhost'), 403)
})

t.test('production does not serve with the rights of a role that may do everything', async (t) => {
  const key = 'q7Wm2vX9pL4zR8tB6nC3'
  const server = await startServer(t, out, { cwd: workingDirectory(t), env: { PORTCULLIS_ENV: 'production', DATABASE_URL: `${url}?application_name=owner`, API_KEY: key, PORTCULLIS_SECRET: `${key}${key}`, ALLOWED_HOSTS: 'mcp.example.com' } })
  t.equal((await server.exit).code, 1)
  t.match(server.errors(), /^the role "\w+" of DATABASE_URL (is a superuser|lacks the defaults).*run portcullis migrate with MIGRATION_DATABASE_URL of the owner, or: alter role [^\n]*\n$/)
})

t.test('keep-alive clients do not hold up the end, and two signals at once are one', async (t) => {
  const server = await startedServer(t, out, { cwd: workingDirectory(t), env: { DATABASE_URL: url } })
  const idle = connect(Number(new URL(server.url).port), '127.0.0.1')
  t.teardown(() => { idle.destroy() })
  idle.write('GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await new Promise((resolve) => { idle.once('data', resolve) })
  server.child.kill('SIGINT')
  server.child.kill('SIGINT')
  t.same(await server.exit, { code: 0, signal: null })
})

t.test('a second server of the same checkout shares the embedded database, and a killed one leaves it usable', async (t) => {
  const cwd = workingDirectory(t)
  const first = await startedServer(t, out, { cwd })
  const { folder } = await first.untilLog(({ msg }) => /embedded PostgreSQL/.test(String(msg))) as { folder: string }
  t.teardown(() => { rmSync(folder, { recursive: true, force: true }) })
  const postmaster = (): string => readFileSync(join(folder, 'data', 'postmaster.pid'), 'utf8').split('\n')[0] as string
  const pid = postmaster()

  const second = await startedServer(t, out, { cwd })
  first.child.kill('SIGTERM')
  await first.exit
  t.equal((await fetch(`${second.url}/health`)).status, 200, 'the first one to leave leaves the database running')
  t.equal(postmaster(), pid)

  second.child.kill('SIGKILL')
  await second.exit
  t.equal(postmaster(), pid, 'nobody could stop it')
  const third = await startedServer(t, out, { cwd })
  t.equal(postmaster(), pid, 'so the next start uses it')
  t.equal((await fetch(`${third.url}/health`)).status, 200)
  third.child.kill('SIGTERM')
  await third.exit
  t.throws(postmaster, 'and stops it')
  await t.rejects(runSql(`postgresql://127.0.0.1:${String((await third.untilLog(({ msg }) => /embedded PostgreSQL/.test(String(msg)))).port)}/x`, 'select 1'))
})
