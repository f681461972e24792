import { once } from 'node:events'
import { connect, type AddressInfo } from 'node:net'
import underPressure from '@fastify/under-pressure'
import Fastify from 'fastify'
import t from 'tap'
import { Type } from 'typebox'
import app from '../../src/app.ts'
import { allowing } from '../helpers/allowlist.ts'
import { buildApp } from '../helpers/build-app.ts'
import { mcpClient, rpcRequest } from '../helpers/mcp-client.ts'
import { migratedDatabase } from '../helpers/postgres.ts'

const url = await migratedDatabase(t)
const probes = ['/livez', '/readyz', '/health']
const key = 'q7Wm2vX9pL4zR8tB6nC3'

t.test('what presses is refused with a time to come back, as JSON-RPC on /mcp and as JSON elsewhere; probes answer', async (t) => {
  let presses = false
  const lines: Array<Record<string, unknown>> = []
  const app = await buildApp(t, { env: { DATABASE_URL: url, API_KEY: key }, onLog: (line) => { lines.push(line) } })
  app.pressure.watch({ name: 'test queue', isPressing: () => presses })
  const client = mcpClient(app, { 'x-api-key': key })
  t.equal((await client.request('tools/list')).status, 200)

  presses = true
  for (const answer of [await client.request('tools/list'), await mcpClient(app).request('tools/list'), await client.post('{', rpcRequest('tools/list').headers)]) {
    t.equal(answer.status, 503, 'before the key and the body are looked at')
    t.match(String(answer.headers['retry-after']), /^[1-5]$/)
    t.same(answer.message, { jsonrpc: '2.0', error: { code: 4006, message: `The server is overloaded; try again in ${String(answer.headers['retry-after'])} s` }, id: null })
  }
  const elsewhere = await app.inject('/nope')
  t.equal(elsewhere.statusCode, 503)
  t.match(elsewhere.json(), { error: /overloaded; try again in [1-5] s/ })
  for (const method of ['GET', 'HEAD'] as const) {
    for (const path of probes) t.equal((await app.inject({ method, url: path })).statusCode, 200, `${method} ${path}`)
  }

  presses = false
  t.equal((await client.request('tools/list')).status, 200)
  await app.close()
  t.match(lines.filter(({ msg, level }) => /overload|refused|failed/.test(String(msg)) || Number(level) >= 40), [
    { level: 40, source: 'test queue', msg: 'overloaded: requests are refused' },
    { level: 30, sources: ['test queue'], refused: 4, msg: 'no longer overloaded' }
  ], 'no line per request')
  t.equal(lines.filter(({ msg }) => /overload/.test(String(msg))).length, 2)
})

t.test('a refused request is answered before its body has been sent, and one in flight is not cut', async (t) => {
  let presses = false
  let release = (): void => {}
  const started = new Promise<void>((resolve) => { release = resolve })
  let finish = (): void => {}
  const app = await buildApp(t, {
    env: { DATABASE_URL: url, ALLOWLIST_PATH: allowing(t, 'wait_here') },
    extra: async (fastify) => {
      fastify.tools.add({ name: 'wait_here', description: 'Waits.', effect: 'read', input: Type.Object({}), output: Type.Object({}), handler: async () => await new Promise<Record<string, never>>((resolve) => { finish = () => { resolve({}) }; release() }) })
      fastify.pressure.watch({ name: 'test queue', isPressing: () => presses })
    }
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const inFlight = mcpClient(app).call('wait_here')
  await started

  presses = true
  const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1')
  socket.write('POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 200000\r\n\r\n')
  const [answer] = await once(socket.setEncoding('utf8'), 'data') as [string]
  t.match(answer, /^HTTP\/1\.1 503 .*4006/s)
  socket.destroy()

  finish()
  t.equal((await inFlight).message.result.isError, undefined)
})

t.test('the calls that wait for a connection are a source: at their bound the next one is told at once', async (t) => {
  const app = await buildApp(t, { env: { DATABASE_URL: url, DB_POOL_MAX: '1', DB_ACQUIRE_TIMEOUT_MS: '600000' } })
  const { pool } = app.pg
  const held = await pool.connect()
  const waiting = Array.from({ length: 64 }, async () => { (await pool.connect()).release() })
  t.equal(pool.waitingCount, 64)

  const refused = await mcpClient(app).request('tools/list')
  t.equal(refused.message.error?.code, 4006)
  for (const path of probes) t.equal((await app.inject(path)).statusCode, 200, path)

  held.release()
  await Promise.all(waiting)
  t.equal((await mcpClient(app).request('tools/list')).status, 200)
})

t.test('a blocked event loop refuses, and no longer when it is free', async (t) => {
  const app = await buildApp(t, { env: { DATABASE_URL: url, SHED_EVENT_LOOP_MS: '50' } })
  const status = async (): Promise<number> => (await mcpClient(app).request('tools/list')).status
  const until = async (wanted: number, step: () => void): Promise<number> => {
    for (const deadline = Date.now() + 60_000; Date.now() < deadline;) {
      step()
      await new Promise((resolve) => { setImmediate(resolve) })
      if (await status() === wanted) return wanted
    }
    return await status()
  }
  const block = (): void => { for (const end = performance.now() + 150; performance.now() < end;); }

  t.equal(await until(503, block), 503)
  t.equal((await app.inject('/livez')).statusCode, 200)
  t.equal(await until(200, () => {}), 200)
})

t.test('memory above its bound refuses', async (t) => {
  for (const env of [{ SHED_RSS_BYTES: '1' }, { SHED_HEAP_PERCENT: '1' }] as Array<Record<string, string>>) {
    const app = await buildApp(t, { env: { DATABASE_URL: url, ...env } })
    const kept = Array.from({ length: 6_000_000 }, (_, n) => n / 3) // 1 % of the heap limit is more than a small test holds
    const deadline = Date.now() + 60_000
    let status = 200
    while (status === 200 && Date.now() < deadline) status = (await mcpClient(app).request('tools/list')).status
    t.equal(status, 503, Object.keys(env).join())
    t.equal((await app.inject('/livez')).statusCode, 200)
    t.ok(kept.length)
    await app.close()
  }
})

t.test('embedded, the host\'s own routes are never refused by us, and its own @fastify/under-pressure stays its own', async (t) => {
  const host = Fastify({ pluginTimeout: 60_000 })
  t.teardown(async () => { await host.close() })
  await host.register(underPressure, { maxEventLoopDelay: 60_000 })
  const { memoryUsage } = host
  host.get('/own', () => ({ own: true }))
  await host.register(async (inner) => { // buildApp has made the app one that shares
    await inner.register(app, { env: { DATABASE_URL: url, LOG_LEVEL: 'silent', DB_POOL_MIN: '1', DB_POOL_MAX: '2', SHED_EVENT_LOOP_MS: '0', SHED_RSS_BYTES: '1' } })
  })
  await host.ready()

  let status = 200
  const { headers, body } = rpcRequest('tools/list')
  for (const deadline = Date.now() + 60_000; status === 200 && Date.now() < deadline;) status = (await host.inject({ method: 'POST', url: '/mcp', headers, payload: body })).statusCode
  t.equal(status, 503)
  t.same((await host.inject('/own')).json(), { own: true })
  t.equal((await host.inject('/nope')).statusCode, 404)
  t.equal(host.memoryUsage, memoryUsage)
  t.equal(host.hasDecorator('pressure'), false)
})
