import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { buildApp } from '../helpers/build-app.ts'
import { faultProxy } from '../helpers/fault-proxy.ts'
import { mcpClient } from '../helpers/mcp-client.ts'
import { migratedDatabase } from '../helpers/postgres.ts'

/** Probes as a kubelet does; liveness must not waver meanwhile. */
async function untilReady (app: FastifyInstance, status: 200 | 503): Promise<void> {
  for (const deadline = Date.now() + 60_000; (await app.inject('/readyz')).statusCode !== status;) {
    if ((await app.inject('/livez')).statusCode !== 200) throw new Error('a liveness probe failed')
    if (Date.now() > deadline) throw new Error(`the server did not answer ${status} in time`)
  }
}

t.test('with the database there, all three say so', async (t) => {
  const app = await buildApp(t)
  for (const [path, body] of [
    ['/livez', { status: 'ok' }],
    ['/readyz', { status: 'ready' }],
    ['/health', { status: 'ok', pool: { status: 'healthy', size: 1, idle: 1, min_size: 1, max_size: 4 } }]
  ] as const) {
    const response = await app.inject(path)
    t.equal(response.statusCode, 200)
    t.same(response.json(), body)
    t.equal((await app.inject({ method: 'HEAD', url: path })).statusCode, 200)
  }
})

t.test('with the database gone the process lives, is not ready, and tools fail safely', async (t) => {
  const database = await faultProxy(t, await migratedDatabase(t))
  const app = await buildApp(t, { env: { DATABASE_URL: database.url } })
  const client = mcpClient(app)
  t.equal((await app.inject('/readyz')).statusCode, 200)

  database.refuse()
  database.reset()
  await untilReady(app, 503)

  t.equal((await app.inject('/livez')).statusCode, 200)
  t.same((await app.inject('/readyz')).json(), { status: 'unready', reason: 'database' })
  const health = await app.inject('/health')
  t.equal(health.statusCode, 503)
  t.match(health.json(), { status: 'degraded', detail: /database/, pool: { status: 'unhealthy' } })
  t.match((await client.call('get_pool_status')).message.result.structuredContent, { server: 'healthy', database: { status: 'unhealthy' } })
  for (const [name, args] of [['search_records', { query: 'x' }], ['get_statistics', {}], ['get_record_detail', { record_id: '00000000-0000-4000-8000-000000000000' }]] as const) {
    const { message } = await client.call(name, args)
    t.match(message.result, { isError: true, _meta: { 'io.portcullis/outcome': 'unavailable', 'io.portcullis/retryAfterMs': Number } })
    t.notMatch(message.result.content[0].text, /127\.0\.0\.1|ECONN|postgres|select|:\d{4,5}/i, 'no driver text, no host, no SQL')
  }
})

t.test('readiness follows a database that refuses or is silent, and comes back with its first answer', async (t) => {
  const database = await faultProxy(t, await migratedDatabase(t))
  const app = await buildApp(t, { env: { DATABASE_URL: database.url } })
  const faults: Array<() => void> = [
    () => { database.refuse(); database.reset() },
    () => { database.blackhole() },
    () => { database.blackhole(); database.reset() }
  ]
  for (const fault of faults) {
    fault()
    await untilReady(app, 503)
    await database.restore()
    await untilReady(app, 200)
    t.pass('and liveness was 200 all the time')
  }
})

t.test('a server that drains says so, and lives', async (t) => {
  const app = await buildApp(t)
  app.drain.begin()
  const ready = await app.inject('/readyz')
  t.equal(ready.statusCode, 503)
  t.same(ready.json(), { status: 'unready', reason: 'shutting down' })
  t.equal(ready.headers.connection, 'close', 'whoever asks again connects again')
  for (const path of ['/livez', '/health']) t.equal((await app.inject(path)).statusCode, 200, path)
})
