import { metrics, type Counter, type Histogram, type Observable, type ObservableCallback, type ObservableCounter, type ObservableGauge, type ObservableUpDownCounter, type UpDownCounter } from '@opentelemetry/api'

/** What a metric is. Its attributes take values from closed sets alone, so the number of its series has a bound. */
export interface Metric {
  name: string
  kind: keyof Kinds
  unit: string
  description: string
  attributes?: readonly string[]
  /** Bounds of a histogram's buckets, in its unit. */
  buckets?: readonly number[]
}

interface Kinds {
  counter: Counter
  upDownCounter: UpDownCounter
  histogram: Histogram
  observableCounter: ObservableCounter
  observableGauge: ObservableGauge
  observableUpDownCounter: ObservableUpDownCounter
}

const seconds = [0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60]
/** Those of the convention begin at 10 ms; most calls are faster. */
const operationSeconds = [0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300]
const pool = 'db.client.connection.pool.name'

/** Every metric that the server records. A part that joins adds its own here. */
export const catalogue = {
  toolCalls: { name: 'mcp.tool.calls', kind: 'counter', unit: '{call}', description: 'Tool calls, whatever their outcome', attributes: ['tool', 'outcome', 'principal.kind'] },
  toolErrors: { name: 'mcp.tool.errors', kind: 'counter', unit: '{call}', description: 'Tool calls with another outcome than ok and input_required', attributes: ['tool', 'outcome'] },
  toolDuration: { name: 'mcp.tool.duration', kind: 'histogram', unit: 'ms', description: 'How long tool calls took, whatever their outcome', attributes: ['tool', 'outcome'], buckets: seconds.map((bound) => bound * 1000) },
  operationDuration: { name: 'mcp.server.operation.duration', kind: 'histogram', unit: 's', description: 'How long MCP requests took', attributes: ['mcp.method.name', 'gen_ai.tool.name', 'gen_ai.operation.name', 'error.type', 'rpc.response.status_code', 'mcp.protocol.version', 'network.transport', 'network.protocol.name'], buckets: operationSeconds },
  callsActive: { name: 'portcullis.calls.active', kind: 'observableUpDownCounter', unit: '{call}', description: 'Tool calls that run' },
  callsQueued: { name: 'portcullis.calls.queued', kind: 'observableUpDownCounter', unit: '{call}', description: 'Tool calls that wait for their turn' },
  queueDuration: { name: 'portcullis.calls.queue.duration', kind: 'histogram', unit: 's', description: 'How long tool calls that ran had waited for their turn', attributes: ['tool'], buckets: seconds },
  requestsRefused: { name: 'portcullis.requests.refused', kind: 'counter', unit: '{request}', description: 'Requests to /mcp that were refused whole, before there was a tool call', attributes: ['reason'] },
  policyReloads: { name: 'portcullis.policy.reloads', kind: 'counter', unit: '{reload}', description: 'Changes of the allowlist and of API_KEYS_FILE, taken over or not', attributes: ['policy', 'outcome'] },
  httpDuration: { name: 'http.server.request.duration', kind: 'histogram', unit: 's', description: 'How long HTTP requests took, streams included', attributes: ['http.request.method', 'http.route', 'http.response.status_code', 'url.scheme', 'error.type'], buckets: seconds },
  httpActive: { name: 'http.server.active_requests', kind: 'upDownCounter', unit: '{request}', description: 'HTTP requests that are being answered, streams included', attributes: ['http.request.method', 'url.scheme'] },
  dbDuration: { name: 'db.client.operation.duration', kind: 'histogram', unit: 's', description: 'How long statements of tools took', attributes: ['db.system.name', 'db.namespace', 'db.operation.name', 'error.type', pool], buckets: seconds },
  dbWait: { name: 'db.client.connection.wait_time', kind: 'histogram', unit: 's', description: 'How long calls waited for a connection', attributes: [pool], buckets: seconds },
  dbTimeouts: { name: 'db.client.connection.timeouts', kind: 'counter', unit: '{timeout}', description: 'Calls that got no connection because all were lent', attributes: [pool] },
  dbConnections: { name: 'db.client.connection.count', kind: 'observableUpDownCounter', unit: '{connection}', description: 'Connections of a pool', attributes: [pool, 'db.client.connection.state'] },
  dbMost: { name: 'db.client.connection.max', kind: 'observableUpDownCounter', unit: '{connection}', description: 'Most connections of a pool', attributes: [pool] },
  dbPending: { name: 'db.client.connection.pending_requests', kind: 'observableUpDownCounter', unit: '{request}', description: 'Calls that wait for a connection', attributes: [pool] },
  dbOldestUse: { name: 'portcullis.db.connection.oldest_use', kind: 'observableGauge', unit: 's', description: 'How long the connection that was lent longest ago has been out', attributes: [pool] },
  poolSize: { name: 'mcp.db.pool_size', kind: 'observableGauge', unit: '{connection}', description: 'Connections of the pool of DATABASE_URL' },
  processMemory: { name: 'process.memory.usage', kind: 'observableUpDownCounter', unit: 'By', description: 'Resident memory of the process' },
  processCpu: { name: 'process.cpu.time', kind: 'observableCounter', unit: 's', description: 'CPU that the process has used', attributes: ['cpu.mode'] },
  processUptime: { name: 'process.uptime', kind: 'observableGauge', unit: 's', description: 'How long the process has run' }
} as const satisfies Record<string, Metric>

export type Metrics = { [Key in keyof typeof catalogue]: Kinds[typeof catalogue[Key]['kind']] }

/** Has an instrument asked whenever metrics are collected, as long as the server runs. */
export type Observe = (instrument: Observable, ask: ObservableCallback) => void

/** The instruments of the catalogue: of the SDK that the process has, and without one they do nothing. */
export function createMetrics (): Metrics {
  const meter = metrics.getMeter('portcullis')
  const create = ({ name, kind, unit, description, buckets }: Metric): unknown => {
    const options = { unit, description, ...buckets === undefined ? {} : { advice: { explicitBucketBoundaries: [...buckets] } } }
    switch (kind) {
      case 'counter': return meter.createCounter(name, options)
      case 'upDownCounter': return meter.createUpDownCounter(name, options)
      case 'histogram': return meter.createHistogram(name, options)
      case 'observableCounter': return meter.createObservableCounter(name, options)
      case 'observableGauge': return meter.createObservableGauge(name, options)
      case 'observableUpDownCounter': return meter.createObservableUpDownCounter(name, options)
    }
  }
  return Object.fromEntries(Object.entries(catalogue).map(([key, metric]) => [key, create(metric)])) as Metrics
}
