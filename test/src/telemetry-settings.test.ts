import { randomBytes } from 'node:crypto'
import t from 'tap'
import { loadConfig } from '../../config/load.ts'
import { sdkEnvironment, telemetryOf } from '../../src/telemetry-settings.ts'

const production = { PORTCULLIS_ENV: 'production', DATABASE_URL: 'postgres://host/db', API_KEY: randomBytes(16).toString('hex'), PORTCULLIS_SECRET: randomBytes(32).toString('hex'), ALLOWED_HOSTS: 'mcp.example.com' }
const settingsOf = (environment: Record<string, string>) => loadConfig(environment).config
const sdkOf = (environment: Record<string, string>) => sdkEnvironment(settingsOf(environment), environment)

t.test('OTEL_ENABLED stands for the exporters that nobody named', async (t) => {
  const none = { traces: false, metrics: false, logs: false }
  const all = { traces: true, metrics: true, logs: true }
  for (const [environment, expected] of [
    [{}, none],
    [{ OTEL_ENABLED: 'true' }, all],
    [{ OTEL_ENABLED: 'false' }, { ...all, logs: false }],
    [production, all],
    [{ ...production, OTEL_ENABLED: 'false' }, { ...all, logs: false }],
    [{ ...production, OTEL_SDK_DISABLED: 'true' }, none],
    [{ OTEL_METRICS_EXPORTER: 'prometheus' }, { ...none, metrics: true }],
    [{ OTEL_ENABLED: 'true', OTEL_TRACES_EXPORTER: 'none' }, { ...all, traces: false }],
    [{ OTEL_SDK_DISABLED: 'true', OTEL_TRACES_EXPORTER: 'otlp' }, none]
  ] as const) t.same(telemetryOf(settingsOf(environment)), expected, JSON.stringify(environment))
})

t.test('the SDK gets the standard variables, and our defaults where there are none', async (t) => {
  t.match(sdkOf({ OTEL_ENABLED: 'true' }), { OTEL_TRACES_EXPORTER: 'otlp', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://localhost:4317', OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc', OTEL_METRIC_EXPORT_INTERVAL: '30000', OTEL_TRACES_SAMPLER: 'parentbased_always_on', OTEL_BSP_MAX_QUEUE_SIZE: '32768' })
  t.match(sdkOf({ OTEL_ENABLED: 'false' }), { OTEL_TRACES_EXPORTER: 'console', OTEL_METRICS_EXPORTER: 'console', OTEL_LOGS_EXPORTER: 'none' })
  t.match(sdkOf({ otel_bsp_max_queue_size: '7', OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://traces:4318/v1/traces', OTEL_PROPAGATORS: 'b3' }), { OTEL_BSP_MAX_QUEUE_SIZE: '7', OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://traces:4318/v1/traces', OTEL_PROPAGATORS: 'b3' }, 'also those that we do not declare')
  t.equal(sdkOf({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' }).OTEL_EXPORTER_OTLP_PROTOCOL, 'http/protobuf', 'the port of OTLP over HTTP')
  t.equal(sdkOf({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318', OTEL_EXPORTER_OTLP_PROTOCOL: 'HTTP/JSON' }).OTEL_EXPORTER_OTLP_PROTOCOL, 'http/json')
  t.equal(sdkOf({ OTEL_EXPORTER_OTLP_ENDPOINT: 'https://otlp.example.com/otlp' }).OTEL_EXPORTER_OTLP_PROTOCOL, 'http/protobuf', 'gRPC has no path')
  t.match(sdkOf({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://traces:4318/v1/traces' }), { OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/protobuf', OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' })
  t.equal(sdkOf({ OTEL_TRACES_EXPORTER: 'otlp, console' }).OTEL_TRACES_EXPORTER, 'otlp, console')
  t.equal(sdkOf({ ...production, HOST: '0.0.0.0' }).OTEL_EXPORTER_PROMETHEUS_HOST, '0.0.0.0')
  t.equal(sdkOf({}).OTEL_EXPORTER_PROMETHEUS_HOST, '127.0.0.1', 'development serves this machine only')
  t.equal(sdkOf({ OTEL_ENABLED: '' }).OTEL_TRACES_EXPORTER, 'none', 'empty means default')
})

t.test('what can\'t be meant stops the boot, with every fault', async (t) => {
  const wrong = { OTEL_ENABLED: 'maybe', OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4317', OTEL_EXPORTER_OTLP_PROTOCOL: 'carrier-pigeon', OTEL_TRACES_EXPORTER: 'zipkin', OTEL_METRICS_EXPORTER: 'none,otlp', OTEL_TRACES_SAMPLER: 'mostly', OTEL_TRACES_SAMPLER_ARG: '2' }
  try {
    loadConfig(wrong)
    t.fail('it loaded')
  } catch (error) {
    for (const name of Object.keys(wrong)) t.match((error as Error).message, new RegExp(`- ${name} must be`), name)
  }
})
