import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import t from 'tap'
import { startCollector, trouble, whyNoCollector } from '../helpers/collector.ts'
import { sendLogs, sendMetrics, sendSpans } from '../helpers/hand-made-otlp.ts'
import { freePort } from '../helpers/server-process.ts'
import { telemetrySink } from '../helpers/telemetry-sink.ts'

const key = `pc_${'k'.repeat(43)}`

t.test('the Grafana pipeline brings spans, metrics and logs to their places, and what is secret to none', { skip: whyNoCollector }, async (t) => {
  const sink = await telemetrySink(t)
  const env = { OTLP_HOST: '127.0.0.1', TEMPO_ENDPOINT: sink.grpc, PROMETHEUS_ENDPOINT: sink.http, LOKI_ENDPOINT: sink.http, ENVIRONMENT: 'staging' }
  const { http, log, stop } = await startCollector(t, 'otelcol-grafana.yaml', env, { connectors: { span_metrics: { metrics_flush_interval: '200ms' } } })
  await sendSpans(http, [{ name: 'tools/call search_records', traceId: 'a'.repeat(32), attributes: { 'gen_ai.tool.name': 'search_records', 'portcullis.outcome': 'ok', 'http.request.header.authorization': 'Basic Zm9v', note: `key ${key}` } }])
  await sendLogs(http, ['tool call', 'connect to postgres://app:hunter2@db/records', 'Authorization: Bearer hunter2hunter2'])
  await sendMetrics(http, { 'mcp.tool.calls': { tool: 'search_records', outcome: 'ok' } })
  await sink.until(async () => sink.spans().length === 1 && sink.logs().length === 3 && /mcp_tool_calls_total/.test(await sink.metrics()) && /traces_span_metrics_calls_total.* 1$/m.test(await sink.metrics()))
  await stop()

  t.match(sink.spans(), [{ name: 'tools/call search_records', attributes: { 'gen_ai.tool.name': 'search_records' }, resource: { 'deployment.environment.name': 'staging' } }])
  t.same(sink.logs().map(({ text }) => text), ['tool call', 'connect to ****db/records', 'Authorization: ****'])
  t.notMatch(sink.everything(), new RegExp(`hunter2|Zm9v|${key}`))
  const metrics = await sink.metrics()
  t.match(metrics, /^mcp_tool_calls_total\{[^}]*outcome="ok"[^}]*tool="search_records"[^}]*\} 1$/m)
  t.match(metrics, /^traces_span_metrics_calls_total\{[^}]*gen_ai_tool_name="search_records"[^}]*\} 1$/m)
  t.match(metrics, /^traces_span_metrics_duration_seconds_bucket\{[^}]*span_name="tools\/call search_records"[^}]*\} 1$/m)
  t.match(sink.everything(), /"exemplars":\[\{[^\]]*"traceId":"a{32}"/, 'with an exemplar that leads to the trace')
  t.notMatch(log(), trouble)
  t.notMatch(log(), /refused/)
})

t.test('what the server says of its own environment stays', { skip: whyNoCollector }, async (t) => {
  const sink = await telemetrySink(t)
  const { http } = await startCollector(t, 'otelcol-grafana.yaml', { OTLP_HOST: '127.0.0.1', TEMPO_ENDPOINT: sink.grpc, PROMETHEUS_ENDPOINT: sink.http, LOKI_ENDPOINT: sink.http, ENVIRONMENT: 'staging' })
  await sendSpans(http, [{ name: 'span' }], { 'deployment.environment.name': 'production' })
  await sink.until(() => sink.spans().length > 0)
  t.match(sink.spans(), [{ resource: { 'deployment.environment.name': 'production' } }])
})

t.test('two gateways keep whole traces that show trouble, of the others the share that is asked for, and all metrics and logs', { skip: whyNoCollector }, async (t) => {
  const sink = await telemetrySink(t)
  const peers = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`]
  const gateways = await Promise.all(peers.map(async (endpoint) => await startCollector(
    t, 'otelcol-gateway.yaml',
    { OTLP_HOST: '127.0.0.1', BACKEND_ENDPOINT: sink.http, SAMPLING_PERCENTAGE: '0', DECISION_WAIT: '2s' },
    {
      receivers: { 'otlp/peers': { protocols: { grpc: { endpoint } } } },
      // A list in place of a DNS name, whose answers could not differ in their ports. Peers are asked before they listen: hence the quick second try.
      exporters: { 'load_balancing/peers': { resolver: { dns: null, static: { hostnames: peers } }, protocol: { otlp: { retry_on_failure: { initial_interval: '100ms' } } } } }
    }
  )))
  const [one, other] = gateways.map(({ http }) => http) as [string, string]
  await sendMetrics(one, { 'mcp.tool.calls': { tool: 'search_records' } })
  await sendLogs(one, ['tool call'])
  const failed = Array.from({ length: 8 }, (_, index) => String(index).repeat(32).replace(/^0/, 'f'))
  await sendSpans(one, [
    { name: 'fine' },
    { name: 'slow', ms: 1_500 },
    { name: 'denied', attributes: { 'portcullis.outcome': 'denied' } },
    { name: 'limited', attributes: { 'portcullis.outcome': 'limited' } },
    ...failed.map((traceId) => ({ name: 'failed', traceId, isError: true }))
  ])
  await sendSpans(other, [{ name: 'fine' }, ...failed.map((traceId) => ({ name: 'part of the failed', traceId }))])
  const wanted = ['denied', ...failed.map(() => 'failed'), 'limited', ...failed.map(() => 'part of the failed'), 'slow']
  await sink.until(async () => sink.spans().length >= wanted.length && sink.logs().length === 1 && /mcp_tool_calls_total/.test(await sink.metrics()))
  for (const { stop } of gateways) await stop()
  t.same(sink.spans().map(({ name }) => name).toSorted(), wanted)
  for (const { log } of gateways) t.notMatch(log(), trouble)
})

t.test('CloudWatch gets what was counted since the last time, of histograms too', { skip: whyNoCollector }, async (t) => {
  const sink = await telemetrySink(t)
  const { http, stop } = await startCollector(t, 'adot-aws.yaml', { AWS_REGION: 'eu-central-1', RESOURCE_DETECTORS: '[env]' }, {
    exporters: { 'otlp_http/sink': { endpoint: sink.http } },
    service: { pipelines: { metrics: { exporters: ['otlp_http/sink'] } } }
  })
  for (const count of [2, 5]) await sendMetrics(http, { 'mcp.tool.calls': { tool: 'search_records' } }, { 'mcp.tool.duration': { tool: 'search_records' } }, count)
  await stop()
  await sink.stop()
  t.same([...sink.everything().matchAll(/"asInt":"(\d+)"/g)].map(([, value]) => value), ['2', '3'])
  t.same([...sink.everything().matchAll(/"count":"(\d+)"/g)].map(([, value]) => value), ['2', '3'])
})

t.test('spans go to Tempo in the clear, and encrypted to an address that begins with https', { skip: whyNoCollector }, async (t) => {
  const firstBytes = async (scheme: string): Promise<string> => {
    const tempo = createServer().listen(0, '127.0.0.1')
    await once(tempo, 'listening')
    const { port } = tempo.address() as AddressInfo
    const connection = once(tempo, 'connection')
    const { stop } = await startCollector(t, 'otelcol-grafana.yaml', { OTLP_HOST: '127.0.0.1', TEMPO_ENDPOINT: `${scheme}127.0.0.1:${port}` })
    const [socket] = await connection
    const [bytes] = await once(socket, 'data')
    tempo.close()
    socket.destroy()
    await stop()
    return bytes.subarray(0, 3).toString('latin1')
  }
  t.equal(await firstBytes(''), 'PRI', 'the preface of HTTP/2')
  t.equal((await firstBytes('https://')).charCodeAt(0), 0x16, 'a TLS handshake')
})
