import { once } from 'node:events'
import { request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { SpanKind, SpanStatusCode } from '@opentelemetry/api'
import Fastify from 'fastify'
import t from 'tap'
import noDatabase from '../../plugins/no-database.ts'
import app from '../../src/app.ts'
import { refusalReasons } from '../../src/mcp/http.ts'
import { catalogue, type Metric } from '../../src/metrics.ts'
import { allowing } from '../helpers/allowlist.ts'
import { buildApp } from '../helpers/build-app.ts'
import { listening } from '../helpers/listening.ts'
import { rpcRequest } from '../helpers/mcp-client.ts'
import { canary, observedApp, running } from '../helpers/observed-app.ts'
import { collecting, type Measured } from '../helpers/telemetry.ts'

const trace = { id: '0af7651916cd43dd8448eb211c80319c', span: 'b7ad6b7169203331' }
const isCall = ({ name }: { name: string }): boolean => name.startsWith('tools/call')
const isHttp = ({ name }: { name: string }): boolean => name === 'POST /mcp'
const counted = (points: Measured[]): unknown[] => points.filter(({ value }) => value > 0).map(({ attributes, value }) => [attributes.reason, value])
const own = (points: Measured[]): Measured[] => points.filter(({ attributes }) => attributes['http.route'] === '/mcp')

t.test('without a context in _meta the call is below the request that carried it', async (t) => {
  const { client, collected } = await observedApp(t)
  await client.call('test_ok', {}, { headers: { traceparent: `00-${trace.id}-${trace.span}-01` } })
  const http = await collected.untilSpan(isHttp)
  const call = collected.spans().find(isCall)
  t.equal(http.parentSpanContext?.spanId, trace.span, 'the header names the parent of the request')
  t.equal(call?.parentSpanContext?.spanId, http.spanContext().spanId)
  t.same(call?.links, [])
})

t.test('a context in _meta that is none is left alone, and one that is not sampled makes no span but counts', async (t) => {
  const { client, collected } = await observedApp(t)
  for (const traceparent of ['00-0-0-01', `00-${'0'.repeat(32)}-${trace.span}-01`, 7, `ff-${trace.id}-${trace.span}-01`]) await client.request('tools/call', { name: 'test_ok', arguments: {}, _meta: { traceparent } })
  await client.request('tools/call', { name: 'test_ok', arguments: {}, _meta: { traceparent: `00-${trace.id}-${trace.span}-00` } })
  t.equal(collected.spans().filter(isCall).length, 4)
  t.notOk(collected.spans().filter(isCall).some((span) => span.spanContext().traceId === trace.id))
  t.match(await collected.points('mcp.tool.calls'), [{ value: 5 }])
})

t.test('a request is a span with its route, status and no query; success leaves the status unset', async (t) => {
  const { app, collected } = await observedApp(t)
  const { headers, body } = rpcRequest('tools/call', { name: 'test_ok', arguments: {} })
  await app.inject({ method: 'POST', url: `/mcp?secret=${canary}`, headers: { ...headers, 'user-agent': 'agent/1' }, payload: body })
  await app.inject({ method: 'GET', url: '/mcp', headers })
  await app.inject({ method: 'GET', url: `/nowhere/${canary}` })
  await app.inject({ method: 'POST', url: '/mcp', headers, payload: '{' })
  const [post, get, nowhere, malformed] = collected.spans().filter(({ kind, attributes }) => kind === SpanKind.SERVER && attributes['http.request.method'] !== undefined)
  t.match(post, { name: 'POST /mcp', status: { code: SpanStatusCode.UNSET }, attributes: { 'http.request.method': 'POST', 'http.route': '/mcp', 'url.path': '/mcp', 'url.scheme': 'http', 'http.response.status_code': 200, 'client.address': '127.0.0.1', 'user_agent.original': 'agent/1' } })
  t.match(get, { name: 'GET /mcp', status: { code: SpanStatusCode.UNSET }, attributes: { 'http.response.status_code': 405 } })
  t.match(nowhere, { name: 'GET', attributes: { 'http.response.status_code': 404 } })
  t.match(malformed, { name: 'POST /mcp', status: { code: SpanStatusCode.UNSET }, attributes: { 'http.response.status_code': 400 } })
  t.notMatch(JSON.stringify([post?.attributes, get?.attributes, malformed?.attributes]), canary)
  t.match(own(await collected.points('http.server.request.duration')).map(({ attributes }) => attributes['http.response.status_code']), [200, 405, 400])
  t.ok((await collected.points('http.server.active_requests')).every(({ value }) => value === 0), 'none is left counted')
})

t.test('probes are counted but make no spans', async (t) => {
  const { app, collected } = await observedApp(t)
  for (const url of ['/livez', '/readyz?x=1', '/health']) await app.inject(url)
  t.same(collected.spans(), [])
  t.same((await collected.points('http.server.request.duration')).map(({ attributes }) => attributes['http.route']), ['/livez', '/readyz', '/health'])
})

t.test('a server that sheds is an error, with no text of it', async (t) => {
  const { app, collected } = await observedApp(t)
  app.pressure.watch({ name: 'test', isPressing: () => true })
  await (await listening(app))(rpcRequest('tools/list'))
  t.match(await collected.untilSpan(isHttp), { status: { code: SpanStatusCode.ERROR, message: undefined }, events: [], attributes: { 'http.response.status_code': 503, 'error.type': '503' } })
  t.match(own(await collected.points('http.server.request.duration')), [{ attributes: { 'error.type': '503' } }])
  t.match(counted(await collected.points('portcullis.requests.refused')), [['overloaded', 1]])
})

t.test('a client that leaves ends the span of its request and of its call', async (t) => {
  const { app, collected } = await observedApp(t, {}, 20_000)
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { headers, body } = rpcRequest('tools/call', { name: 'test_slow', arguments: {} })
  const isRunning = once(running, 'call')
  const sending = request({ host: '127.0.0.1', port: (app.server.address() as AddressInfo).port, path: '/mcp', method: 'POST', headers }).on('error', () => {}).end(JSON.stringify(body))
  await isRunning
  sending.destroy()
  t.match(await collected.untilSpan(isCall), { status: { code: SpanStatusCode.ERROR }, attributes: { 'portcullis.outcome': 'cancelled', 'error.type': 'cancelled' } })
  t.match(await collected.untilSpan(isHttp), { status: { code: SpanStatusCode.ERROR }, attributes: { 'error.type': 'client_disconnect' } })
  t.match(await collected.points('mcp.tool.calls'), [{ value: 1, attributes: { outcome: 'cancelled' } }])
  t.match(await collected.points('mcp.tool.duration'), [{ value: { count: 1 } }])
  t.match(own(await collected.points('http.server.request.duration')), [{ attributes: { 'error.type': 'client_disconnect' } }])
})

t.test('a stream is a span that ends with it, however it ends', async (t) => {
  const { app, collected } = await observedApp(t)
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { headers, body } = rpcRequest('subscriptions/listen', { notifications: { toolsListChanged: true } })
  const leave = new AbortController()
  const response = await fetch(`http://127.0.0.1:${(app.server.address() as AddressInfo).port}/mcp`, { method: 'POST', headers, body: JSON.stringify(body), signal: leave.signal })
  t.equal(response.status, 200)
  t.match(await collected.points('http.server.active_requests'), [{ value: 1 }])
  t.notOk(collected.spans().some(isHttp))
  leave.abort()
  t.match(await collected.untilSpan(isHttp), { attributes: { 'error.type': 'client_disconnect' } })
  t.match(await collected.untilSpan(({ name }) => name === 'subscriptions/listen'), { attributes: { 'mcp.method.name': 'subscriptions/listen' } })
  t.match(await collected.points('http.server.active_requests'), [{ value: 0 }])
})

t.test('a stream that is refused is one request with its error, in either era', async (t) => {
  const { client, collected } = await observedApp(t)
  await client.request('subscriptions/listen', { notifications: 'all' })
  await client.request('subscriptions/listen', {}, { era: 'legacy' })
  t.same((await collected.points('mcp.server.operation.duration')).map(({ attributes, value }) => [attributes['rpc.response.status_code'], value.count]), [['-32602', 1], ['-32601', 1]])
  t.equal(collected.spans().filter(({ name }) => name === 'subscriptions/listen').length, 2)
})

t.test('what the official server refuses is counted, and a notification is timed', async (t) => {
  const { client, collected } = await observedApp(t)
  const { headers, body } = rpcRequest('tools/list')
  await client.post(body, { ...headers, 'mcp-method': 'tools/call' })
  await client.post({ jsonrpc: '2.0', method: 'notifications/initialized' }, rpcRequest('ping', {}, { era: 'legacy' }).headers)
  await client.request('initialize', { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'x', version: '1' } }, { era: 'legacy' })
  t.same(counted(await collected.points('portcullis.requests.refused')), [['protocol', 1]])
  t.same((await collected.points('mcp.server.operation.duration')).map(({ attributes }) => [attributes['mcp.method.name'], attributes['mcp.protocol.version']]), [['notifications/initialized', '2025-11-25'], ['initialize', '2025-06-18']])
})

t.test('what a client makes up is no label', async (t) => {
  const collected = collecting(t)
  const app = await buildApp(t, { env: { OTEL_ENABLED: 'true' }, server: { trustProxy: true } })
  for (const scheme of ['https', 'made-up', 'other']) await app.inject({ url: '/livez', headers: { 'x-forwarded-proto': scheme } })
  await app.inject({ method: 'PROPFIND' as 'GET', url: '/livez' })
  t.same((await collected.points('http.server.request.duration')).map(({ attributes }) => [attributes['http.request.method'], attributes['url.scheme']]).sort(), [['GET', 'http'], ['GET', 'https'], ['_OTHER', 'http']])
})

t.test('other requests of the protocol are spans and durations too', async (t) => {
  const { client, collected } = await observedApp(t)
  await client.request('server/discover')
  await client.request('tools/list', {}, { era: 'legacy' })
  await client.request(`${canary}/method`, {}, { era: 'legacy' })
  t.match(collected.spans().filter(({ attributes }) => attributes['mcp.method.name'] !== undefined), [
    { name: 'server/discover', kind: SpanKind.SERVER, attributes: { 'mcp.protocol.version': '2026-07-28' } },
    { name: 'tools/list', attributes: { 'mcp.protocol.version': '2025-11-25' } },
    { name: '_OTHER', status: { code: SpanStatusCode.UNSET }, attributes: { 'rpc.response.status_code': '-32601' } }
  ])
  t.match((await collected.points('mcp.server.operation.duration')).map(({ attributes, value }) => [attributes['mcp.method.name'], value.count]), [['server/discover', 1], ['tools/list', 1], ['_OTHER', 1]])
})

t.test('statements are spans below their call, without values, messages or foreign text', async (t) => {
  const { client, collected } = await observedApp(t)
  for (const [tool, text] of [['test_asks_database', canary], ['test_breaks_sql', canary], ['test_foreign', canary]] as const) t.ok(await client.call(tool, { text }))
  const calls = collected.spans().filter(isCall)
  const statements = collected.spans().filter(({ kind }) => kind === SpanKind.CLIENT)
  t.match(statements, [
    { name: 'SELECT', status: { code: SpanStatusCode.UNSET }, attributes: { 'db.system.name': 'postgresql', 'db.operation.name': 'SELECT', 'db.query.text': 'select $1::text', 'db.client.connection.pool.name': 'primary' } },
    { name: 'SELECT', status: { code: SpanStatusCode.ERROR, message: undefined }, attributes: { 'error.type': '22P02', 'db.response.status_code': '22P02' } },
    { name: 'SELECT', attributes: { 'db.query.text': undefined } }
  ])
  t.same(statements.map(({ parentSpanContext }) => parentSpanContext?.spanId), calls.map((span) => span.spanContext().spanId))
  t.notMatch(JSON.stringify(statements.map(({ attributes, status, events }) => [attributes, status, events])), canary)
  t.match((await collected.points('db.client.operation.duration')).map(({ attributes, value }) => [attributes['error.type'], value.count]), [[undefined, 2], ['22P02', 1]])
  t.match(await collected.points('db.client.connection.wait_time'), [{ value: { count: 3 } }])
})

t.test('spans of concurrent calls never mix', async (t) => {
  const { client, collected } = await observedApp(t)
  const ids = Array.from({ length: 60 }, (_, index) => index.toString(16).padStart(32, 'a'))
  await Promise.all(ids.map(async (id) => await client.request('tools/call', { name: 'test_asks_database', arguments: { text: id }, _meta: { traceparent: `00-${id}-${trace.span}-01` } })))
  const calls = collected.spans().filter(isCall)
  const statements = collected.spans().filter(({ kind }) => kind === SpanKind.CLIENT)
  t.same(calls.map((span) => span.spanContext().traceId).sort(), ids.sort())
  for (const call of calls) t.equal(statements.filter((span) => span.parentSpanContext?.spanId === call.spanContext().spanId && span.spanContext().traceId === call.spanContext().traceId).length, 1)
  t.equal(new Set(calls.flatMap(({ links }) => links.map(({ context }) => context.spanId))).size, ids.length, 'each links its own request')
})

t.test('the pool is shown as it is, and a server without a database shows none', async (t) => {
  const { client, collected } = await observedApp(t, { DB_POOL_MAX: '3' })
  await client.call('test_asks_database', { text: 'x' })
  t.match(await collected.points('mcp.db.pool_size'), [{ attributes: {}, value: Number }])
  t.ok((await collected.points('mcp.db.pool_size'))[0]?.value >= 1)
  t.match(await collected.points('db.client.connection.max'), [{ value: 3 }])
  t.same((await collected.points('db.client.connection.count')).map(({ attributes }) => attributes['db.client.connection.state']), ['idle', 'used'])

  t.test('no database', async (t) => {
    const fastify = Fastify()
    await fastify.register(app, { env: { LOG_LEVEL: 'silent', OTEL_ENABLED: 'true' }, database: noDatabase })
    t.teardown(async () => { await fastify.close() })
    t.equal((await collected.points('mcp.db.pool_size')).length, 1, 'that of the other server alone')
  })
})

t.test('refusals, reloads, what waits and what runs are measured', async (t) => {
  const { app, collected, client } = await observedApp(t, { ALLOWED_HOSTS: 'localhost' })
  await client.call('test_ok', {}, { headers: { host: 'elsewhere.example' } })
  await app.inject({ method: 'POST', url: '/mcp', headers: { ...rpcRequest('tools/list').headers, 'content-type': 'text/plain' }, payload: 'x' })
  await client.call('test_ok')
  app.metrics.policyReloads.add(1, { policy: 'allowlist', outcome: 'ok' })
  t.same(counted(await collected.points('portcullis.requests.refused')).sort(), [['foreign_host', 1], ['media_type', 1]])
  t.equal((await collected.points('portcullis.requests.refused')).length, refusalReasons.length, 'the rest stand at zero')
  t.match(await collected.points('portcullis.calls.queue.duration'), [{ value: { count: 1 }, attributes: { tool: 'test_ok' } }])
  for (const name of ['portcullis.calls.active', 'portcullis.calls.queued']) t.match(await collected.points(name), [{ value: 0 }], name)
})

t.test('every metric is of the catalogue, with its attributes and no others', async (t) => {
  const { client, collected, app } = await observedApp(t, {}, 20)
  for (const name of ['test_ok', 'test_fails', 'test_asks_database', 'nope', 'test_denied', 'test_once', 'test_once']) await client.call(name)
  await app.inject('/livez')
  const known = new Map<string, Metric>(Object.values(catalogue).map((metric) => [metric.name, metric]))
  for (const name of await collected.names()) {
    const metric = known.get(name)
    if (!t.ok(metric, name)) continue
    for (const { attributes } of await collected.points(name)) t.same(Object.keys(attributes).filter((key) => metric?.attributes?.includes(key) !== true), [], `${name}: attributes`)
  }
})

t.test('telemetry that is off makes no spans, and the server works', async (t) => {
  const collected = collecting(t)
  const fastify = await buildApp(t, { env: { ALLOWLIST_PATH: allowing(t, 'get_pool_status') } })
  t.equal(fastify.tracer, undefined)
  const { headers, body } = rpcRequest('tools/call', { name: 'get_pool_status', arguments: {} })
  t.equal((await fastify.inject({ method: 'POST', url: '/mcp', headers, payload: body })).statusCode, 200)
  t.same(collected.spans(), [])
})
