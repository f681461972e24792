import t from 'tap'
import { startCollector, trouble, validate, whyNoCollector } from '../helpers/collector.ts'

const required = { AWS_REGION: 'eu-central-1', DD_API_KEY: '0'.repeat(32) }
const files = ['adot-aws.yaml', 'otelcol-datadog.yaml', 'otelcol-gateway.yaml', 'otelcol-grafana.yaml', 'otelcol-local.yaml']

t.test('a real collector takes every file', { skip: whyNoCollector }, async (t) => {
  for (const file of files) t.same(validate(file, required), { ok: true, output: '' }, file)
})

const refused: Array<[what: string, file: string, overlay: string, message: RegExp]> = [
  ['an unknown key', 'otelcol-grafana.yaml', 'exporters::otlp_http/loki::endpiont: http://loki', /invalid keys: endpiont/],
  ['a reference to nothing', 'otelcol-grafana.yaml', 'service::pipelines::logs::exporters: [otlp_http/lokki]', /references exporter "otlp_http\/lokki" which is not configured/],
  ['a component that it does not have', 'otelcol-local.yaml', 'exporters::kafka: {}', /unknown type: "kafka"/],
  ['a metric key of CloudWatch', 'adot-aws.yaml', 'exporters::awsemf::namespaces: MCP', /invalid keys: namespaces/],
  ['a rollup of CloudWatch', 'adot-aws.yaml', 'exporters::awsemf::dimension_rollup_option: None', /dimension_rollup_option "None"/],
  ['days that CloudWatch does not keep', 'adot-aws.yaml', 'exporters::awsemf::log_retention: 31', /log_retention 31/],
  ['a key of the Datadog exporter', 'otelcol-datadog.yaml', 'exporters::datadog::api::token: x', /invalid keys: token/],
  ['a queue of the Datadog exporter', 'otelcol-datadog.yaml', 'exporters::datadog::sending_queue::queue_size: -1', /queue_size/],
  ['a key of the Datadog connector', 'otelcol-datadog.yaml', 'connectors::datadog/statistics::traces::peer_tag: true', /invalid keys: peer_tag/]
]
for (const [what, file, overlay, message] of refused) {
  t.test(`it refuses ${what}`, { skip: whyNoCollector }, async (t) => {
    const { ok, output } = validate(file, required, `yaml:${overlay}`)
    t.notOk(ok)
    t.match(output, message)
  })
}

t.test('it refuses what needs a variable that is not set', { skip: whyNoCollector }, async (t) => {
  t.match(validate('otelcol-datadog.yaml'), { ok: false, output: /api\.key is empty/ })
  t.match(validate('adot-aws.yaml'), { ok: false, output: /region is empty/ })
  t.match(validate('adot-aws.yaml', { ...required, RESOURCE_DETECTORS: '[env, eks, ec2]' }), { ok: false, output: /KUBERNETES_SERVICE_HOST/ }, 'and the detector of EKS outside a cluster')
})

// What validate says nothing of: what runs below and in collector-live.test.ts is there for it.
t.test('every file starts, and says nothing of yesterday', { skip: whyNoCollector }, async (t) => {
  const overlay = (file: string): Record<string, any> => ({
    ...file === 'otelcol-gateway.yaml' ? { receivers: { 'otlp/peers': { protocols: { grpc: { endpoint: '127.0.0.1:0' } } } } } : {},
    ...file === 'otelcol-local.yaml' ? { exporters: { file: { path: '/dev/null', rotation: null } }, service: { extensions: ['health_check'] } } : {}
  })
  for (const file of files) {
    const { log, stop } = await startCollector(t, file, { ...required, GATEWAY_SERVICE: '127.0.0.1', RESOURCE_DETECTORS: '[env]' }, overlay(file))
    await stop()
    t.notMatch(log(), trouble, file)
  }
})

t.test('a policy that does not exist stops the start', { skip: whyNoCollector }, async (t) => {
  await t.rejects(startCollector(t, 'otelcol-gateway.yaml', {}, { processors: { tail_sampling: { policies: [{ name: 'mood', type: 'mood' }] } } }), { message: /unknown sampling policy type mood/ })
})

t.test('an old name and an unset variable show in the log of a collector that starts', { skip: whyNoCollector }, async (t) => {
  const { log } = await startCollector(t, 'otelcol-local.yaml', {}, {
    exporters: { otlphttp: { endpoint: '${env:NOBODY_SET_THIS}http://127.0.0.1:1' }, file: { path: '/dev/null', rotation: null } }, // eslint-disable-line no-template-curly-in-string
    service: { extensions: ['health_check'], pipelines: { logs: { exporters: ['otlphttp'] } } }
  })
  t.match(log(), /alias is deprecated/)
  t.match(log(), /unset environment variable/)
})
