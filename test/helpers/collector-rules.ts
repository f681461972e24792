import { parse } from 'yaml'

type Settings = Record<string, any>
type Kind = 'receivers' | 'processors' | 'exporters' | 'connectors' | 'extensions'
interface Pipeline { receivers: string[], processors: string[], exporters: string[] }
export interface CollectorConfig extends Partial<Record<Kind, Record<string, Settings | null>>> {
  service: { extensions?: string[], pipelines: Record<string, Pipeline>, telemetry?: Settings }
}
/** What is wrong with a file, one sentence each. */
type Rule = (config: CollectorConfig, text: string) => string[]

const kinds: Kind[] = ['receivers', 'processors', 'exporters', 'connectors', 'extensions']
const typeOf = (id: string): string => id.split('/')[0] as string
const idsOf = (config: CollectorConfig, kind: Kind): string[] => Object.keys(config[kind] ?? {})
const pipelinesOf = ({ service }: CollectorConfig): Array<[string, Pipeline]> => Object.entries(service.pipelines)
const sampling = ['tail_sampling', 'probabilistic_sampler']

/** An `${env:NAME:-default}` as it is where nothing is set. */
const unset = (value: unknown): string => String(value ?? '').replace(/\$\{env:\w+(?::-([^}]*))?\}/g, '$1')
const hostOf = (endpoint: unknown): string => unset(endpoint).replace(/^\w+:\/\//, '').replace(/[:/][^:]*$/, '')
const isLoopback = (host: string): boolean => host === 'localhost' || host === '[::1]' || host.startsWith('127.')

const references: Rule = (config) => {
  const asReceiver = new Set(pipelinesOf(config).flatMap(([, { receivers }]) => receivers))
  const asExporter = new Set(pipelinesOf(config).flatMap(([, { exporters }]) => exporters))
  const asProcessor = new Set(pipelinesOf(config).flatMap(([, { processors }]) => processors))
  const started = new Set(config.service.extensions)
  const compare = (what: string, used: Set<string>, defined: string[], connectors: string[] = []): string[] => [
    ...[...used].filter((id) => ![...defined, ...connectors].includes(id)).map((id) => `${what} ${id} is used and not defined`),
    ...[...defined, ...connectors].filter((id) => !used.has(id)).map((id) => `${what} ${id} is defined and not used`)
  ]
  const connectors = idsOf(config, 'connectors')
  return [
    ...compare('receiver', asReceiver, idsOf(config, 'receivers'), connectors),
    ...compare('processor', asProcessor, idsOf(config, 'processors')),
    ...compare('exporter', asExporter, idsOf(config, 'exporters'), connectors),
    ...compare('extension', started, idsOf(config, 'extensions'))
  ]
}

const limiterFirst: Rule = (config) => pipelinesOf(config)
  .filter(([, { processors }]) => typeOf(processors[0] ?? '') !== 'memory_limiter')
  .map(([name]) => `pipeline ${name} does not begin with memory_limiter`)

const batchLast: Rule = (config) => pipelinesOf(config).flatMap(([name, { processors }]) => {
  const types = processors.map(typeOf)
  const batch = types.indexOf('batch')
  return batch >= 0 && types.slice(batch).some((type) => sampling.includes(type)) ? [`pipeline ${name} batches before it samples`] : []
})

const renamed: Partial<Record<Kind, Record<string, string>>> = {
  receivers: { filelog: 'file_log' },
  processors: { resourcedetection: 'resource_detection', k8sattributes: 'k8s_attributes', metricstransform: 'metrics_transform', cumulativetodelta: 'cumulative_to_delta' },
  exporters: { otlp: 'otlp_grpc', otlphttp: 'otlp_http', prometheusremotewrite: 'prometheus_remote_write', loadbalancing: 'load_balancing', logging: 'debug' },
  connectors: { spanmetrics: 'span_metrics' }
}
const namesOfToday: Rule = (config) => kinds.flatMap((kind) => idsOf(config, kind)
  .flatMap((id) => renamed[kind]?.[typeOf(id)] === undefined ? [] : [`${kind}: ${id} is called ${renamed[kind][typeOf(id)]} today`]))

const loopback: Rule = (config) => idsOf(config, 'extensions')
  .filter((id) => ['health_check', 'pprof', 'zpages'].includes(typeOf(id)))
  .filter((id) => {
    const endpoint = config.extensions?.[id]?.endpoint
    return endpoint !== undefined && (!isLoopback(hostOf(endpoint)) || (typeOf(id) !== 'health_check' && String(endpoint).includes('${')))
  })
  .map((id) => `extension ${id} can be reached from outside`)

const queued = ['otlp_grpc', 'otlp_http', 'datadog', 'load_balancing', 'awscloudwatchlogs']
const queueAndRetry: Rule = (config) => [
  ...idsOf(config, 'exporters').filter((id) => queued.includes(typeOf(id))).flatMap((id) => {
    const { sending_queue: queue, retry_on_failure: retry } = config.exporters?.[id] ?? {}
    return [
      ...queue?.batch == null ? [`exporter ${id} has no sending_queue that batches`] : [],
      ...retry?.enabled === true ? [] : [`exporter ${id} does not retry`]
    ]
  }),
  ...pipelinesOf(config)
    .filter(([, { processors, exporters }]) => processors.some((id) => typeOf(id) === 'batch') && exporters.every((id) => queued.includes(typeOf(id))))
    .map(([name]) => `pipeline ${name} has a batch processor; its exporters batch in their queues`)
]

/** The attributes processor sees spans and records, never the resource they belong to. */
const resourceKeys: Rule = (config) => idsOf(config, 'processors').filter((id) => typeOf(id) === 'attributes').flatMap((id) =>
  ((config.processors?.[id]?.actions ?? []) as Array<{ key: string }>)
    .filter(({ key }) => /^(service|deployment|k8s|host|cloud|container|process)\./.test(key))
    .map(({ key }) => `processor ${id} has ${key}, which only a resource processor sees`))

const plaintext: Rule = (config) => idsOf(config, 'exporters').flatMap((id) => {
  const exporter = config.exporters?.[id] ?? {}
  const { tls, endpoint, hosts } = exporter.protocol === undefined
    ? { tls: exporter.tls, endpoint: exporter.endpoint, hosts: [] }
    : { tls: exporter.protocol.otlp?.tls, endpoint: exporter.resolver?.dns?.hostname, hosts: exporter.resolver?.static?.hostnames ?? [] }
  if (tls?.insecure !== true) return []
  return [endpoint, ...hosts].filter((value) => value !== undefined).map(hostOf)
    .filter((host) => host === '' || (host.includes('.') && !isLoopback(host)))
    .map((host) => `exporter ${id} sends to ${host === '' ? 'an unknown host' : host} in the clear`)
})

const selfMetrics: Rule = ({ service }) => {
  const metrics = service.telemetry?.metrics
  return metrics?.level === 'normal' && metrics.readers?.[0]?.pull?.exporter?.prometheus?.port === 8888 && metrics.address === undefined ? [] : ['the collector does not show its own metrics on port 8888']
}

const adot: Record<Kind, string[]> = {
  receivers: ['otlp', 'prometheus', 'statsd', 'awsxray', 'awsecscontainermetrics', 'awscontainerinsightreceiver', 'kafka', 'jaeger', 'zipkin', 'file_log'],
  processors: ['memory_limiter', 'batch', 'resource_detection', 'resource', 'attributes', 'span', 'filter', 'tail_sampling', 'probabilistic_sampler', 'groupbytrace', 'k8s_attributes', 'metrics_transform', 'metricsgeneration', 'cumulativetodelta', 'deltatorate'],
  exporters: ['awsxray', 'awsemf', 'awscloudwatchlogs', 'otlp_grpc', 'otlp_http', 'prometheus', 'prometheus_remote_write', 'load_balancing', 'file', 'kafka', 'debug'],
  connectors: [],
  extensions: ['health_check', 'pprof', 'zpages', 'sigv4auth', 'ecs_observer', 'awsproxy', 'file_storage']
}
/** What the AWS distribution has, and calls it (v0.49.0, of collector 0.156). */
const inAdot: Rule = (config) => kinds.flatMap((kind) => idsOf(config, kind)
  .filter((id) => !adot[kind].includes(typeOf(id)))
  .map((id) => `${kind}: the AWS distribution has no ${typeOf(id)}`))

const bareVariables: Rule = (_config, text) => [...text.matchAll(/\$\{(?!env:)[^}]*\}/g)].map(([whole]) => `${whole} is not \${env:NAME}`)

const everywhere: Rule[] = [references, limiterFirst, batchLast, loopback, queueAndRetry, resourceKeys, plaintext, selfMetrics, bareVariables]

/** What is wrong with a collector's file, by the rules of this folder. */
export function complaints (text: string, distribution: 'adot' | 'any' = 'any'): string[] {
  const config = parse(text) as CollectorConfig
  return [...everywhere, distribution === 'adot' ? inAdot : namesOfToday].flatMap((rule) => rule(config, text))
}

/** The variables a file reads. */
export const variablesOf = (text: string): string[] => [...new Set([...text.matchAll(/\$\{env:(\w+)/g)].map(([, name]) => name as string))]
