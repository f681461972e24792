import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gunzipSync } from 'node:zlib'
import type { Test } from 'tap'

export type Values = Record<string, string | number | boolean | undefined>

export interface ReceivedSpan {
  traceId: string
  spanId: string
  parentSpanId?: string
  name: string
  kind: number
  status: { code?: number, message?: string }
  attributes: Values
  links: Array<{ traceId: string, spanId: string }>
  events: unknown[]
  resource: Values
}

export interface Point { attributes: Values, value?: number, count?: number, sum?: number, bounds?: number[], exemplars: Array<{ traceId?: string, spanId?: string }>, resource: Values }

export interface ReceivedLog { body: unknown, severity: string, attributes: Values, traceId?: string, spanId?: string }

export interface OtlpReceiver {
  url: string
  spans: () => ReceivedSpan[]
  /** The newest points of a metric. */
  points: (name: string) => Point[]
  metricNames: () => string[]
  logs: () => ReceivedLog[]
  /** Header fields of the newest export. */
  headers: () => IncomingHttpHeaders
  /** Waits until the condition holds for what came; each export is looked at. */
  until: <T>(find: () => T | undefined | false) => Promise<T>
}

/** A collector's OTLP endpoint (http/json) that keeps what it gets; stopped with the test. */
export async function otlpReceiver (t: Test): Promise<OtlpReceiver> {
  const spans: ReceivedSpan[] = []
  const logs: ReceivedLog[] = []
  const metrics = new Map<string, Point[]>()
  let headers: IncomingHttpHeaders = {}
  const take: Record<string, (body: any) => void> = {
    '/v1/traces': (body) => { for (const { resource, scopeSpans } of body.resourceSpans) for (const { spans: more } of scopeSpans) for (const span of more) spans.push({ ...span, attributes: valuesOf(span.attributes), links: span.links ?? [], events: span.events ?? [], resource: valuesOf(resource.attributes) }) },
    '/v1/logs': (body) => { for (const { scopeLogs } of body.resourceLogs) for (const { logRecords } of scopeLogs) for (const record of logRecords) logs.push({ body: valueOf(record.body), severity: record.severityText, attributes: valuesOf(record.attributes), traceId: record.traceId, spanId: record.spanId }) },
    '/v1/metrics': (body) => { for (const { resource, scopeMetrics } of body.resourceMetrics) for (const { metrics: more } of scopeMetrics) for (const metric of more) metrics.set(metric.name, pointsOf(metric, valuesOf(resource.attributes))) }
  }
  const server = createServer(async (request, response) => {
    headers = request.headers
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const raw = Buffer.concat(chunks)
    take[request.url ?? '']?.(JSON.parse(String(request.headers['content-encoding'] === 'gzip' ? gunzipSync(raw) : raw)))
    response.setHeader('content-type', 'application/json').end('{}')
    server.emit('taken')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans: () => spans,
    points: (name) => metrics.get(name) ?? [],
    metricNames: () => [...metrics.keys()].sort(),
    logs: () => logs,
    headers: () => headers,
    until: async (find) => {
      for (;;) {
        const found = find()
        if (found !== undefined && found !== false) return found
        await once(server, 'taken')
      }
    }
  }
}

function pointsOf (metric: any, resource: Values): Point[] {
  const { dataPoints } = metric.sum ?? metric.gauge ?? metric.histogram
  return dataPoints.map((point: any) => ({
    resource,
    attributes: valuesOf(point.attributes),
    value: point.asDouble ?? (point.asInt === undefined ? undefined : Number(point.asInt)),
    count: point.count === undefined ? undefined : Number(point.count),
    sum: point.sum,
    bounds: point.explicitBounds,
    exemplars: point.exemplars ?? []
  }))
}

function valuesOf (attributes: Array<{ key: string, value: any }> = []): Values {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, valueOf(value)])) as Values
}

function valueOf (value: any): unknown {
  if (value?.intValue !== undefined) return Number(value.intValue)
  return value?.stringValue ?? value?.doubleValue ?? value?.boolValue ?? (value?.arrayValue !== undefined ? JSON.stringify(value.arrayValue) : value?.kvlistValue !== undefined ? JSON.stringify(value.kvlistValue) : undefined)
}
