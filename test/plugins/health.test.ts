import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { buildApp } from '../helpers/build-app.ts'
import { mcpClient } from '../helpers/mcp-client.ts'
import { migratedDatabase } from '../helpers/postgres.ts'

/** A way to the database that can be cut. */
async function cuttable (t: Test, url: string): Promise<{ url: string, cut: () => Promise<void> }> {
  const target = new URL(url)
  const open = new Set<Socket>()
  const proxy = createServer((client) => {
    const server = connect(Number(target.port), target.hostname)
    for (const [from, to] of [[client, server], [server, client]] as const) {
      open.add(from)
      from.on('error', () => {}).on('close', () => { to.destroy() }).pipe(to)
    }
  }).listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  t.teardown(() => { proxy.close() })
  const through = new URL(url)
  through.port = String((proxy.address() as AddressInfo).port)
  return {
    url: through.href,
    cut: async () => {
      proxy.close()
      for (const socket of open) socket.destroy()
    }
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
  const { url, cut } = await cuttable(t, await migratedDatabase(t))
  const app = await buildApp(t, { env: { DATABASE_URL: url } })
  const client = mcpClient(app)
  t.equal((await app.inject('/readyz')).statusCode, 200)

  await cut()
  for (const deadline = Date.now() + 10_000; Date.now() < deadline && (await app.inject('/readyz')).statusCode === 200;) await new Promise((resolve) => { setImmediate(resolve) })

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
