import type { Env } from '../config/env.ts'
import type { Environment } from '../config/variables.ts'

/** What of telemetry is on. */
export interface Telemetry { traces: boolean, metrics: boolean, logs: boolean }

type Settings = Pick<Env, Extract<keyof Env, `OTEL_${string}`> | 'PORTCULLIS_ENV' | 'HOST' | 'SERVICE_NAME'>

/** The defaults of the SDK hold fewer spans than a busy server makes while a collector takes its time. */
const queues = { OTEL_BSP_MAX_QUEUE_SIZE: '32768', OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '2048', OTEL_BLRP_MAX_QUEUE_SIZE: '32768', OTEL_BLRP_MAX_EXPORT_BATCH_SIZE: '2048' }
/** A slow collector holds up nothing but its own export, which is given up before the next one is due. */
const patience = { OTEL_EXPORTER_OTLP_TIMEOUT: '10000', OTEL_METRIC_EXPORT_TIMEOUT: '10000' }

/** What of telemetry the settings turn on. */
export function telemetryOf (config: Settings): Telemetry {
  const { OTEL_TRACES_EXPORTER: traces, OTEL_METRICS_EXPORTER: metrics, OTEL_LOGS_EXPORTER: logs } = exportersOf(config)
  return { traces: traces !== 'none', metrics: metrics !== 'none', logs: logs !== 'none' }
}

/**
 * The environment that the OpenTelemetry SDK reads, which knows neither `.env` nor our defaults: every `OTEL_` variable of
 * `environment`, and those of ours that are not among them.
 */
export function sdkEnvironment (config: Settings, environment: Environment): Record<string, string> {
  const given = Object.fromEntries(Object.entries(environment).map(([name, value]) => [name.toUpperCase(), value]).filter(([name, value]) => name?.startsWith('OTEL_') && !name.endsWith('_FILE') && value))
  return {
    ...queues,
    ...patience,
    OTEL_NODE_RESOURCE_DETECTORS: 'env,host', // that of the process would tell its arguments
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://localhost:4317',
    OTEL_EXPORTER_OTLP_PROTOCOL: protocolOf(config.OTEL_EXPORTER_OTLP_ENDPOINT),
    ...config.OTEL_EXPORTER_OTLP_PROTOCOL === undefined ? protocolsOfSignals(given) : {},
    OTEL_EXPORTER_PROMETHEUS_HOST: config.HOST,
    ...given,
    ...ofConfig(config),
    ...exportersOf(config)
  }
}

/** OTEL_ENABLED stands for the three exporters that nobody named. */
function exportersOf (config: Settings): { OTEL_TRACES_EXPORTER: string, OTEL_METRICS_EXPORTER: string, OTEL_LOGS_EXPORTER: string } {
  const enabled = config.OTEL_ENABLED ?? (config.PORTCULLIS_ENV === 'production' ? true : undefined)
  const one = config.OTEL_SDK_DISABLED || enabled === undefined ? 'none' : enabled ? 'otlp' : 'console'
  const logs = one === 'console' ? 'none' : one // they are on the console anyway
  if (config.OTEL_SDK_DISABLED) return { OTEL_TRACES_EXPORTER: one, OTEL_METRICS_EXPORTER: one, OTEL_LOGS_EXPORTER: one }
  return { OTEL_TRACES_EXPORTER: config.OTEL_TRACES_EXPORTER ?? one, OTEL_METRICS_EXPORTER: config.OTEL_METRICS_EXPORTER ?? one, OTEL_LOGS_EXPORTER: config.OTEL_LOGS_EXPORTER ?? logs }
}

function ofConfig (config: Settings): Record<string, string> {
  return Object.fromEntries(Object.entries(config).filter(([name, value]) => name.startsWith('OTEL_') && name !== 'OTEL_ENABLED' && value !== undefined).map(([name, value]) => [name, String(value)]))
}

/** gRPC has no path, and HTTP its own port. */
function protocolOf (endpoint: string | undefined): string {
  if (endpoint === undefined || !URL.canParse(endpoint)) return 'grpc'
  const { port, pathname } = new URL(endpoint)
  return port === '4318' || pathname !== '/' ? 'http/protobuf' : 'grpc'
}

function protocolsOfSignals (given: Record<string, string | undefined>): Record<string, string> {
  return Object.fromEntries(['TRACES', 'METRICS', 'LOGS'].flatMap((signal) => {
    const endpoint = given[`OTEL_EXPORTER_OTLP_${signal}_ENDPOINT`]
    return endpoint === undefined ? [] : [[`OTEL_EXPORTER_OTLP_${signal}_PROTOCOL`, protocolOf(endpoint)]]
  }))
}
