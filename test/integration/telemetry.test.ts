import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { faultProxy } from '../helpers/fault-proxy.ts'
import { readMessages, rpcRequest } from '../helpers/mcp-client.ts'
import { otlpReceiver, type ReceivedSpan } from '../helpers/otlp.ts'
import { migratedDatabase } from '../helpers/postgres.ts'
import { buildServer, freePort, startedServer, workingDirectory, type ServerProcess } from '../helpers/server-process.ts'

const canary = 'canary-51c9'
const out = buildServer(t)

async function call ({ url }: ServerProcess, name = 'search_records', args: object = { query: canary }, traceparent?: string): Promise<any> {
  const { headers, body } = rpcRequest('tools/call', { name, arguments: args, ...traceparent === undefined ? {} : { _meta: { traceparent } } })
  const { host, ...others } = headers
  const response = await fetch(`${url}/mcp`, { method: 'POST', headers: others, body: JSON.stringify(body) })
  return readMessages(await response.text()).at(-1)
}

const isCall = ({ name }: ReceivedSpan): boolean => name.startsWith('tools/call')

t.test('what a client reports is found: the line of the log, the trace, its statement; the last of it arrives while the server stops', async (t) => {
  const receiver = await otlpReceiver(t)
  const cwd = workingDirectory(t)
  writeFileSync(join(cwd, '.env'), `OTEL_ENABLED=yes\nOTEL_EXPORTER_OTLP_ENDPOINT=${receiver.url}\nOTEL_EXPORTER_OTLP_PROTOCOL=http/json\nOTEL_RESOURCE_ATTRIBUTES=k8s.namespace.name=here\nSERVICE_NAME=records\n`)
  const server = await startedServer(t, out, { cwd, env: { DATABASE_URL: await migratedDatabase(t), DB_POOL_MIN: '1' } })
  const { result } = await call(server)
  t.equal(result.isError, undefined)
  t.match(await call(server, 'nope'), { error: { code: -32602 } })
  server.child.kill('SIGTERM')
  t.same(await server.exit, { code: 0, signal: null })

  const [line] = server.logs().filter(({ outcome }) => outcome === 'ok') as [Record<string, unknown>]
  const span = receiver.spans().find(({ attributes }) => attributes['portcullis.call.id'] === line.call) as ReceivedSpan
  t.match(line, { trace_id: span.traceId, span_id: span.spanId, tool: 'search_records', principal: 'anonymous', durationMs: Number, dbQueryMs: Number })
  t.match(receiver.spans().find(({ parentSpanId }) => parentSpanId === span.spanId), { name: 'WITH', kind: 3, attributes: { 'db.system.name': 'postgresql', 'db.namespace': /^\w+$/ } })
  t.match(receiver.logs().find(({ attributes }) => attributes.call === line.call), { body: 'tool call', severity: 'info', traceId: span.traceId, spanId: span.spanId, attributes: { outcome: 'ok' } })
  t.match(span.resource, { 'service.name': 'records', 'service.version': String, 'service.instance.id': String, 'deployment.environment.name': 'development', 'k8s.namespace.name': 'here' })
  t.notOk('process.command_args' in span.resource)

  t.match(receiver.points('mcp.tool.calls').map(({ attributes, value }) => [attributes.tool, attributes.outcome, value]), [['search_records', 'ok', 1], ['_OTHER', 'unknown', 1]])
  t.match(receiver.points('mcp.tool.duration').map(({ count }) => count), [1, 1])
  t.match(receiver.points('mcp.tool.errors').map(({ value }) => value), [1])
  for (const name of ['mcp.db.pool_size', 'mcp.server.operation.duration', 'http.server.request.duration', 'db.client.operation.duration', 'db.client.connection.count', 'nodejs.eventloop.delay.p99', 'nodejs.eventloop.utilization', 'v8js.memory.heap.used', 'process.memory.usage', 'process.cpu.time']) t.ok(receiver.points(name).length > 0, name)
  for (const kept of [receiver.spans(), receiver.logs(), receiver.metricNames().map((name) => receiver.points(name)), server.output()]) t.notMatch(JSON.stringify(kept), canary)
})

t.test('without OTEL_ENABLED a development server is silent', async (t) => {
  const server = await startedServer(t, out, { cwd: workingDirectory(t), env: { DATABASE_URL: await migratedDatabase(t), DB_POOL_MIN: '1' } })
  await call(server)
  server.child.kill('SIGTERM')
  await server.exit
  t.match(server.logs().find(({ msg }) => msg === 'tool call'), { outcome: 'ok', trace_id: undefined })
  t.notMatch(server.output(), /OpenTelemetry|telemetry/)
})

t.test('OTEL_ENABLED=false writes spans and metrics to the console, OTEL_SDK_DISABLED neither', async (t) => {
  const env = { DATABASE_URL: await migratedDatabase(t), DB_POOL_MIN: '1', OTEL_ENABLED: 'false' }
  for (const [more, isTold] of [[{}, true], [{ OTEL_SDK_DISABLED: 'true' }, false]] as const) {
    const server = await startedServer(t, out, { cwd: workingDirectory(t), env: { ...env, ...more } })
    await call(server)
    server.child.kill('SIGTERM')
    t.same(await server.exit, { code: 0, signal: null })
    t.equal(/name: 'tools\/call search_records'/.test(server.output()), isTold)
    t.equal(/name: 'mcp\.tool\.duration'/.test(server.output()), isTold)
  }
})

t.test('OTEL_METRICS_EXPORTER=prometheus serves metrics on a port of their own', async (t) => {
  const port = await freePort()
  const server = await startedServer(t, out, { cwd: workingDirectory(t), env: { DATABASE_URL: await migratedDatabase(t), DB_POOL_MIN: '1', OTEL_METRICS_EXPORTER: 'prometheus', OTEL_EXPORTER_PROMETHEUS_PORT: String(port) } })
  await call(server)
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
  t.match(text, /^mcp_tool_calls_total\{tool="search_records",outcome="ok",principal_kind="anonymous".*\} 1$/m)
  t.match(text, /^mcp_tool_duration_count\{/m)
  t.match(text, /^target_info\{.*host_id="[^"]+"/m, 'and says on which machine')
  t.match(server.logs().find(({ msg }) => msg === 'tool call'), { trace_id: undefined }, 'and no traces')
  t.same(server.logs().filter(({ level }) => Number(level) >= 40), [], 'without a complaint')
})

t.test('settings come from files too, a secret above all, and a port that is taken is told', async (t) => {
  const receiver = await otlpReceiver(t)
  const cwd = workingDirectory(t)
  writeFileSync(join(cwd, 'headers'), 'authorization=Bearer abc\n')
  writeFileSync(join(cwd, 'name'), 'from-a-file')
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  t.teardown(() => { taken.close() })
  const server = await startedServer(t, out, { cwd, env: { DATABASE_URL: await migratedDatabase(t), DB_POOL_MIN: '1', OTEL_ENABLED: 'true', OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json', OTEL_EXPORTER_OTLP_HEADERS_FILE: 'headers', OTEL_SERVICE_NAME_FILE: 'name', OTEL_METRICS_EXPORTER: 'otlp,prometheus', OTEL_EXPORTER_PROMETHEUS_PORT: String((taken.address() as AddressInfo).port) } })
  await call(server)
  t.match(await server.untilLog(({ msg }) => msg === 'telemetry can\'t be sent'), { source: /EADDRINUSE/ })
  server.child.kill('SIGTERM')
  await server.exit
  t.equal(receiver.spans()[0]?.resource['service.name'], 'from-a-file')
  t.equal(receiver.headers().authorization, 'Bearer abc')
  t.match(receiver.spans()[0]?.resource, { 'telemetry.sdk.language': 'nodejs' })
})

t.test('a stop with little time and a silent collector still ends with 0', async (t) => {
  const receiver = await otlpReceiver(t)
  const proxy = await faultProxy(t, receiver.url)
  proxy.blackhole()
  const server = await startedServer(t, out, { cwd: workingDirectory(t), env: { DATABASE_URL: await migratedDatabase(t), DB_POOL_MIN: '1', SHUTDOWN_GRACE_MS: '1500', OTEL_ENABLED: 'true', OTEL_EXPORTER_OTLP_ENDPOINT: proxy.url, OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' } })
  await call(server)
  server.child.kill('SIGTERM')
  t.same(await server.exit, { code: 0, signal: null })
})

t.test('a server that has the variables and not the preload says so', async (t) => {
  const server = await startedServer(t, out, { cwd: workingDirectory(t), preload: false, env: { DATABASE_URL: await migratedDatabase(t), DB_POOL_MIN: '1', OTEL_ENABLED: 'true' } })
  t.ok(server.logs().some(({ msg }) => String(msg).startsWith('telemetry is on, but nothing collects it: start with node --import')))
  t.match(await call(server), { result: { content: Array } })
})

t.test('a collector that is away, silent, slow or resets is no matter for calls; what comes after it is back arrives', async (t) => {
  const receiver = await otlpReceiver(t)
  const proxy = await faultProxy(t, receiver.url)
  const server = await startedServer(t, out, { cwd: workingDirectory(t), env: { DATABASE_URL: await migratedDatabase(t), DB_POOL_MIN: '1', RATE_LIMIT_PER_MINUTE: '0', ATTEMPT_LIMIT_PER_MINUTE: '0', OTEL_ENABLED: 'true', OTEL_EXPORTER_OTLP_ENDPOINT: proxy.url, OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json', OTEL_METRIC_EXPORT_INTERVAL: '1000', OTEL_METRIC_EXPORT_TIMEOUT: '1000', OTEL_BSP_SCHEDULE_DELAY: '100', OTEL_EXPORTER_OTLP_TIMEOUT: '5000' } })
  const faults: Record<string, () => void> = {
    blackhole: () => { proxy.blackhole() },
    reset: () => { proxy.reset() },
    latency: () => { proxy.latency(400) },
    refuse: () => {
      proxy.refuse()
      proxy.reset()
    }
  }
  for (const [name, fault] of Object.entries(faults)) {
    fault()
    const results = await Promise.all(Array.from({ length: 100 }, async () => await call(server)))
    t.equal(results.filter(({ result }) => result?.isError !== undefined).length, 0, `${name}: no call fails`)
    await proxy.restore()
    const traceId = Buffer.from(name.padEnd(16, '.')).toString('hex')
    await call(server, 'search_records', { query: 'x' }, `00-${traceId}-b7ad6b7169203331-01`)
    t.ok(await receiver.until(() => receiver.spans().find((span) => isCall(span) && span.traceId === traceId)), `${name}: export resumes`)
  }
  await receiver.until(() => receiver.points('mcp.tool.calls').some(({ value }) => value === 404))

  proxy.blackhole()
  await call(server)
  server.child.kill('SIGTERM')
  t.same(await server.exit, { code: 0, signal: null }, 'and the server stops')
  t.notMatch(server.errors(), /Error|Warning/, 'nothing of it on stderr')
})
