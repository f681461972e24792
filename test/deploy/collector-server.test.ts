import t from 'tap'
import { seed } from '../../src/seed.ts'
import { startCollector, trouble, whyNoCollector } from '../helpers/collector.ts'
import { rpcRequest } from '../helpers/mcp-client.ts'
import { migratedDatabase } from '../helpers/postgres.ts'
import { buildServer, startedServer, workingDirectory } from '../helpers/server-process.ts'
import { telemetrySink } from '../helpers/telemetry-sink.ts'

t.setTimeout(240_000)

const canary = 'canary-7f3a91'

/** Series as a dashboard asks for them, after OTLP's names have become Prometheus's. */
const series: Array<[name: string, labels: Record<string, string>]> = [
  ['mcp_tool_calls_total', { outcome: 'ok', principal_kind: 'anonymous', tool: 'search_records' }],
  ['mcp_tool_calls_total', { outcome: 'unknown', tool: '_OTHER' }],
  ['mcp_tool_errors_total', { outcome: 'invalid', tool: 'search_records' }],
  ['mcp_tool_duration_milliseconds_bucket', { outcome: 'ok', tool: 'search_records', le: '1000' }],
  ['mcp_db_pool_size', {}],
  ['mcp_server_operation_duration_seconds_bucket', { mcp_method_name: 'tools/call', gen_ai_tool_name: 'search_records', le: '1' }],
  ['http_server_request_duration_seconds_bucket', { http_route: '/mcp', http_response_status_code: '200' }],
  ['http_server_active_requests', { http_request_method: 'POST' }],
  ['db_client_operation_duration_seconds_bucket', { db_system_name: 'postgresql' }],
  ['db_client_connection_count', { db_client_connection_state: 'idle' }],
  ['portcullis_calls_active', {}],
  ['process_memory_usage_bytes', {}],
  ['nodejs_eventloop_delay_p99_seconds', {}]
]

function isThere (metrics: string, name: string, labels: Record<string, string>): boolean {
  return metrics.split('\n').some((line) => line.startsWith(`${name}{`) && Object.entries(labels).every(([label, value]) => line.includes(`${label}="${value}"`)))
}

t.test('what a server sends goes through the Grafana pipeline, names and all, and no argument with it', { skip: whyNoCollector }, async (t) => {
  const out = buildServer(t)
  const url = await migratedDatabase(t)
  await seed(url, 20)
  for (const protocol of ['grpc', 'http/protobuf'] as const) {
    await t.test(protocol, async (t) => {
      const sink = await telemetrySink(t)
      const collector = await startCollector(t, 'otelcol-grafana.yaml', { OTLP_HOST: '127.0.0.1', TEMPO_ENDPOINT: sink.grpc, PROMETHEUS_ENDPOINT: sink.http, LOKI_ENDPOINT: sink.http })
      const endpoint = protocol === 'grpc' ? `http://${collector.grpc}` : collector.http
      const server = await startedServer(t, out, { cwd: workingDirectory(t), env: { DATABASE_URL: url, OTEL_ENABLED: 'true', OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_EXPORTER_OTLP_PROTOCOL: protocol } })
      async function call (name: string, args: Record<string, unknown>): Promise<void> {
        const { headers, body } = rpcRequest('tools/call', { name, arguments: args })
        await (await fetch(`${server.url}/mcp`, { method: 'POST', headers, body: JSON.stringify(body) })).text()
      }
      await call('search_records', { query: canary, limit: 5 })
      await call('search_records', { query: canary, limit: 'five' })
      await call(`no_such_${canary}`, {})
      server.child.kill('SIGTERM') // each of the three sends what it has before it ends
      t.same(await server.exit, { code: 0, signal: null })
      await collector.stop()
      const metrics = await sink.metrics()
      await sink.stop()

      const span = sink.spans().find(({ attributes }) => attributes['portcullis.outcome'] === 'ok')
      t.match(span, { name: 'tools/call search_records', kind: 2, attributes: { 'mcp.method.name': 'tools/call', 'gen_ai.tool.name': 'search_records', 'gen_ai.operation.name': 'execute_tool' }, resource: { 'service.name': 'portcullis', 'deployment.environment.name': 'development' } })
      t.match(sink.spans().find(({ name }) => name === 'POST /mcp'), { kind: 2, attributes: { 'http.route': '/mcp', 'http.response.status_code': '200' } })
      t.match(sink.spans().find(({ kind, traceId }) => kind === 3 && traceId === span?.traceId), { attributes: { 'db.system.name': 'postgresql' } }, 'the statement is in the trace of its call')
      t.match(sink.logs().find(({ text, traceId }) => text === 'tool call' && traceId === span?.traceId), { attributes: { tool: 'search_records', outcome: 'ok', call: span?.attributes['portcullis.call.id'] } }, 'and so is its log line')
      for (const [name, labels] of series) t.ok(isThere(metrics, name, labels), `${name} ${JSON.stringify(labels)}`)
      t.notMatch(sink.everything() + metrics, canary)
      t.notMatch(collector.log(), trouble)
      t.notMatch(collector.log(), /refused/)
    })
  }
})
