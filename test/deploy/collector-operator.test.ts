import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { parse, stringify } from 'yaml'
import { renderValues, whyNoHelm } from '../helpers/chart.ts'
import { serverOf } from '../helpers/chart-rules/objects.ts'
import { wholeEnv } from '../helpers/chart-rules/server.ts'
import { complaints } from '../helpers/collector-rules.ts'
import { startCollector, trouble, validate, whyNoCollector } from '../helpers/collector.ts'
import { folderWith } from '../helpers/folder.ts'
import { sendLogs, sendMetrics, sendSpans } from '../helpers/hand-made-otlp.ts'
import { telemetrySink } from '../helpers/telemetry-sink.ts'

const path = 'examples/kubernetes/opentelemetry-collector.yaml'
const { apiVersion, kind, metadata, spec } = parse(readFileSync(path, 'utf8'))
/** What the operator would write for the collector, as a file. */
const written = (t: Test, config: object = spec.config): string => join(folderWith(t, { 'collector.yaml': stringify(config) }), 'collector.yaml')

t.test('the example is a sidecar that the chart can name, and listens where the server sends', { skip: whyNoHelm }, async (t) => {
  t.match({ apiVersion, kind, spec }, { apiVersion: 'opentelemetry.io/v1beta1', kind: 'OpenTelemetryCollector', spec: { mode: 'sidecar' } })
  const objects = renderValues(readFileSync('charts/portcullis/ci/otel-operator-values.yaml', 'utf8'))
  const { deployment } = serverOf(objects)
  t.equal(deployment.spec.template.metadata.annotations['sidecar.opentelemetry.io/inject'], metadata.name)
  t.equal(deployment.metadata.namespace, metadata.namespace)
  t.equal(wholeEnv(objects).OTEL_EXPORTER_OTLP_ENDPOINT, `http://${spec.config.receivers.otlp.protocols.grpc.endpoint}`)
  t.match(spec.securityContext, { allowPrivilegeEscalation: false, runAsNonRoot: true, capabilities: { drop: ['ALL'] } }, 'it is let into a restricted namespace')
  t.notOk('health_check' in (spec.config.extensions ?? {}), 'the operator would probe it on the pod\'s address, where it does not listen')
})

t.test('it keeps to the rules of collector/, and what breaks one is found', async (t) => {
  t.same(complaints(stringify(spec.config)), [])
  t.match(complaints(stringify(spec.config).replace('otelcol-gateway:4317', 'otelcol-gateway.example.com:4317')), [/sends to otelcol-gateway.example.com in the clear/])
})

t.test('a real collector takes it, and refuses it with a mistake', { skip: whyNoCollector }, async (t) => {
  t.same(validate(written(t)), { ok: true, output: '' })
  t.match(validate(written(t), {}, 'yaml:exporters::otlp_grpc/gateway::endpiont: x'), { ok: false, output: /invalid keys: endpiont/ })
})

t.test('traces, metrics and logs pass through it', { skip: whyNoCollector }, async (t) => {
  const sink = await telemetrySink(t)
  const { http, log, stop } = await startCollector(t, written(t), {}, { exporters: { 'otlp_grpc/gateway': { endpoint: sink.grpc } } })
  await sendSpans(http, [{ name: 'a call' }])
  await sendLogs(http, ['tool call'])
  await sendMetrics(http, { 'mcp.tool.calls': { tool: 'search_records' } })
  await sink.until(async () => sink.spans().length === 1 && sink.logs().length === 1 && /mcp_tool_calls_total/.test(await sink.metrics()))
  await stop()
  t.notMatch(log(), trouble)
})

t.test('documents lead to it', async (t) => {
  for (const document of ['collector/README.md', 'docs/observe.md']) t.match(readFileSync(document, 'utf8'), path, document)
})
