import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import type { AddressInfo } from 'node:net'
import Fastify, { type FastifyInstance } from 'fastify'
import fastifyPostgres from '@fastify/postgres'
import fp from 'fastify-plugin'
import t, { type Test } from 'tap'
import type { Environment } from '../../config/variables.ts'
import app from '../../src/app.ts'
import { allowing } from '../helpers/allowlist.ts'
import { mcpClient, readMessages, rpcRequest } from '../helpers/mcp-client.ts'
import { placeholders } from '../helpers/placeholders.ts'
import { databaseEnv, emptyDatabase, migratedDatabase, runSql, serverUrl } from '../helpers/postgres.ts'
import { insertSampleRecords } from '../helpers/records.ts'

const url = await migratedDatabase(t)
const quiet = { ...await placeholders(async () => serverUrl(await emptyDatabase(t))), ...databaseEnv(url), LOG_LEVEL: 'silent', DB_POOL_MIN: '1', DB_POOL_MAX: '2', SHED_EVENT_LOOP_MS: '0' }

/** A server of somebody else, with habits of its own. */
function hostServer (t: Test): { host: FastifyInstance, logged: () => Array<Record<string, unknown>> } {
  const lines: string[] = []
  const host = Fastify({ logger: { level: 'info', stream: { write: (line) => { lines.push(line) } } }, pluginTimeout: 60_000, forceCloseConnections: true })
  t.teardown(async () => { await host.close() })
  host.decorate('config', 'of the host' as never)
  host.decorate('db', 'of the host' as never)
  host.addHook('onRequest', (_request, reply, done) => { reply.header('x-host', 'yes'); done() })
  host.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => { done(null, `any: ${body as string}`) })
  host.get('/own', () => ({ own: true }))
  host.get('/boom', () => { throw new Error('a text that the host shows') })
  host.post('/text', async ({ body }) => ({ body }))
  return { host, logged: () => lines.map((line) => JSON.parse(line)) }
}

async function embed (host: FastifyInstance, options: { env?: Environment, prefix?: string } = {}): Promise<void> {
  await host.register(app, { ...options, env: { ...quiet, ...options.env } })
}

for (const prefix of [undefined, '/agents']) {
  t.test(`what is the host's stays the host's (prefix ${prefix})`, async (t) => {
    const { host, logged } = hostServer(t)
    await embed(host, { prefix })
    await host.ready()

    const own = await host.inject({ url: '/own', headers: { host: 'not.allowed.example', origin: 'https://evil.example' } })
    t.same(own.json(), { own: true }, 'without Host check, credentials or anything else of ours')
    t.match((await host.inject('/boom')).json(), { message: 'a text that the host shows' }, 'its error handler')
    t.match((await host.inject('/nope')).json(), { message: 'Route GET:/nope not found' }, 'its 404')
    t.same((await host.inject({ method: 'POST', url: '/text', headers: { 'content-type': 'text/css' }, payload: 'x' })).json(), { body: 'any: x' }, 'its body parsers')
    t.equal(host.getDecorator('config'), 'of the host')
    t.equal(host.getDecorator('db'), 'of the host')
    for (const name of ['pg', 'tools', 'callTool', 'allowlist', 'authenticate', 'drain']) t.equal(host.hasDecorator(name), false, name)
    for (const name of ['principal', 'decisions']) t.equal(host.hasRequestDecorator(name), false, name)
    t.equal(host.log.level, 'info', 'LOG_LEVEL is for a server of our own')
    t.ok(logged().some(({ msg, reqId }) => msg === 'incoming request' && reqId !== undefined), 'it logs requests as it did')
  })

  t.test(`what is ours works inside (prefix ${prefix})`, async (t) => {
    const { host } = hostServer(t)
    await embed(host, { prefix, env: { API_KEY: 'q7Wm2vX9pL4zR8tB6nC3' } })
    await host.ready()
    const path = `${prefix ?? ''}/mcp`
    const { headers, body } = rpcRequest('tools/call', { name: 'get_statistics', arguments: {} })
    const post = async (more: Record<string, string>) => await host.inject({ method: 'POST', url: path, headers: { ...headers, ...more }, payload: body })

    t.equal((await post({})).statusCode, 401)
    t.equal((await post({ 'x-api-key': 'q7Wm2vX9pL4zR8tB6nC3', host: 'evil.example' })).statusCode, 403)
    const answered = await post({ 'x-api-key': 'q7Wm2vX9pL4zR8tB6nC3' })
    t.match(readMessages(answered.payload)[0]?.result.structuredContent, { group_by: 'status' })
    t.equal(answered.headers['x-host'], 'yes', 'the host\'s own hooks run here too')
    t.equal((await host.inject(`${prefix ?? ''}/readyz`)).statusCode, 200)
    if (prefix !== undefined) t.same((await host.inject(`${prefix}/nope`)).json(), { error: 'Not found; the MCP endpoint is POST /agents/mcp' })
  })
}

t.test('the host\'s body parsers do not reach /mcp', async (t) => {
  const { host } = hostServer(t)
  host.removeContentTypeParser('application/json')
  host.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) => { done(null, { wrapped: body }) })
  await embed(host)
  await host.ready()
  const { headers, body } = rpcRequest('tools/list')

  for (const type of ['text/plain', 'text/css']) {
    const refused = await host.inject({ method: 'POST', url: '/mcp', headers: { ...headers, 'content-type': type }, payload: JSON.stringify(body) })
    t.same(refused.json().error, { code: -32600, message: 'Send the body as application/json' })
  }
  t.ok(readMessages((await host.inject({ method: 'POST', url: '/mcp', headers, payload: body })).payload)[0]?.result.tools.length > 0)
})

t.test('a host with a pool and a 404 of its own keeps both', async (t) => {
  const { host } = hostServer(t)
  await host.register(fastifyPostgres, { connectionString: url, application_name: 'host' })
  host.setNotFoundHandler((_request, reply) => reply.code(404).send('the host has no such page'))
  const { pool } = host.pg
  await embed(host)
  await host.ready()

  t.equal(host.pg.pool, pool)
  t.equal((await host.inject('/nope')).payload, 'the host has no such page')
  t.equal((await pool.query('show default_transaction_read_only')).rows[0].default_transaction_read_only, 'off', 'its connections are not ours')
})

t.test('two in one process share nothing, and closing the host closes both pools', async (t) => {
  const other = await migratedDatabase(t)
  await insertSampleRecords(other)
  const { host } = hostServer(t)
  await embed(host, { prefix: '/a', env: { SERVICE_NAME: 'guest-a', ALLOWLIST_PATH: allowing(t, 'get_statistics', 'search_records') } })
  await embed(host, { prefix: '/b', env: { SERVICE_NAME: 'guest-b', ...databaseEnv(other), ALLOWLIST_PATH: allowing(t, 'get_statistics') } })
  await host.ready()
  const clientOf = (prefix: string) => mcpClient({ inject: async (options: object) => await host.inject({ ...options, url: `${prefix}/mcp` }) } as never)

  t.equal((await clientOf('/a').call('get_statistics')).message.result.structuredContent.total, 0)
  t.equal((await clientOf('/b').call('get_statistics')).message.result.structuredContent.total, 3)
  t.same(await clientOf('/a').list(), ['get_pool_status', 'get_statistics', 'search_records'])
  t.same(await clientOf('/b').list(), ['get_pool_status', 'get_statistics'])

  await host.close()
  for (const [database, name] of [[url, 'guest-a'], [other, 'guest-b']] as const) {
    await untilGone(database, name)
    t.pass(`${name} left no connection`)
  }
})

t.test('one that can\'t start fails the host\'s boot with its sentence, and ends no process', async (t) => {
  const { host } = hostServer(t)
  await t.rejects(embed(host, { env: { DB_POOL_MIN: '9' } }), { code: 'MCP_CONFIG_INVALID', message: /DB_POOL_MIN \(9\) must not exceed DB_POOL_MAX \(2\)/ })
})

t.test('a listener of the host is the host\'s: /mcp answers where HOST allows, the rest answers everywhere', async (t) => {
  const outside = Object.values(networkInterfaces()).flat().find((one) => one?.family === 'IPv4' && !one.internal)?.address
  const { host, logged } = hostServer(t)
  await embed(host, { env: { LOG_LEVEL: 'info' } })
  await host.listen({ host: '0.0.0.0', port: 0 })
  const { port } = host.server.address() as AddressInfo

  t.match(logged().find(({ msg }) => /neither HOST nor loopback/.test(String(msg))), { level: 50, address: '0.0.0.0' })
  t.equal(logged().some(({ msg }) => /without all of its parts/.test(String(msg))), false, 'how the host starts is not our business')
  t.equal(await statusOf('127.0.0.1', port, '/mcp'), 200)
  if (outside === undefined) return t.comment('this machine has no address but loopback')
  t.equal(await statusOf(outside, port, '/own'), 200)
  t.equal(await statusOf(outside, port, '/livez'), 200)
  t.equal(await statusOf(outside, port, '/mcp'), 403, 'even with a Host header that is allowed')
})

t.test('HOST opens /mcp to more addresses, and a Unix socket needs none', async (t) => {
  const outside = Object.values(networkInterfaces()).flat().find((one) => one?.family === 'IPv4' && !one.internal)?.address ?? '127.0.0.1'
  const secret = 'q7Wm2vX9pL4zR8tB6nC3'
  const { host, logged } = hostServer(t)
  await embed(host, { env: { PORTCULLIS_ENV: 'production', HOST: '0.0.0.0', ALLOWED_HOSTS: 'localhost', API_KEY: secret, PORTCULLIS_SECRET: secret + secret } })
  await host.listen({ host: '0.0.0.0', port: 0 })
  t.equal(await statusOf(outside, (host.server.address() as AddressInfo).port, '/mcp', { 'x-api-key': secret }), 200)
  t.equal(logged().some(({ level }) => (level as number) >= 50), false)

  const second = hostServer(t)
  await embed(second.host)
  const path = join(tmpdir(), `portcullis-embedded-${process.pid}.sock`)
  await second.host.listen({ path })
  t.equal(await statusOf(path, undefined, '/mcp'), 200)
  t.equal(second.logged().some(({ level }) => (level as number) >= 50), false)
})

t.test('without encapsulation the whole server is ours, as under fastify-cli', async (t) => {
  const { host } = hostServer(t)
  const bare = Fastify({ pluginTimeout: 60_000 })
  t.teardown(async () => { await bare.close() })
  await bare.register(fp(app), { env: quiet })
  t.same((await bare.inject('/nope')).json(), { error: 'Not found; the MCP endpoint is POST /mcp' })
  t.ok(bare.hasDecorator('tools'))
  await t.rejects(async () => await host.register(fp(app), { env: quiet }), { code: 'FST_ERR_DEC_ALREADY_PRESENT' })
})

/** The status of a GET, or for /mcp of a tools/list. */
async function statusOf (address: string, port: number | undefined, path: string, more: Record<string, string> = {}): Promise<number | undefined> {
  const { headers, body } = rpcRequest('tools/list', {}, { era: 'legacy' })
  const isMcp = path === '/mcp'
  const request = httpRequest({ ...port === undefined ? { socketPath: address } : { host: address, port }, path, method: isMcp ? 'POST' : 'GET', headers: isMcp ? { ...headers, ...more, host: 'localhost' } : {} })
  request.end(isMcp ? JSON.stringify(body) : undefined)
  const [response] = await once(request, 'response') as [IncomingMessage]
  response.resume()
  await once(response, 'end')
  return response.statusCode
}

/** The server drops a connection a moment after the client closed it. */
async function untilGone (database: string, name: string): Promise<void> {
  for (const deadline = Date.now() + 20_000; ;) {
    const [result] = await runSql(database, `select from pg_stat_activity where application_name = '${name}'`)
    if (result?.rowCount === 0) return
    if (Date.now() > deadline) throw new Error(`${name} still has connections`)
  }
}
