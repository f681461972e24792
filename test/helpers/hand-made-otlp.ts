import { randomBytes } from 'node:crypto'

type Attributes = Record<string, string>
interface SentSpan { name: string, traceId?: string, attributes?: Attributes, isError?: boolean, ms?: number }

const now = (): bigint => BigInt(Date.now()) * 1_000_000n
const started = String(now())
const keyValues = (attributes: Attributes): unknown[] => Object.entries(attributes).map(([key, stringValue]) => ({ key, value: { stringValue } }))
const resourceOf = (attributes: Attributes): unknown => ({ attributes: keyValues({ 'service.name': 'hand-made', 'service.instance.id': '1', ...attributes }) })

async function send (http: string, signal: string, body: unknown): Promise<void> {
  const answer = await fetch(`${http}/v1/${signal}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
  if (!answer.ok) throw new Error(`${signal}: ${answer.status} ${await answer.text()}`)
}

/** Spans as OTLP/JSON, written by hand: they prove a pipeline, not a server. */
export async function sendSpans (http: string, spans: SentSpan[], resource: Attributes = {}): Promise<void> {
  await send(http, 'traces', {
    resourceSpans: [{
      resource: resourceOf(resource),
      scopeSpans: [{
        spans: spans.map(({ name, traceId = randomBytes(16).toString('hex'), attributes = {}, isError = false, ms = 1 }) => ({
          name,
          traceId,
          spanId: randomBytes(8).toString('hex'),
          kind: 2,
          startTimeUnixNano: String(now() - BigInt(ms) * 1_000_000n),
          endTimeUnixNano: String(now()),
          attributes: keyValues(attributes),
          status: isError ? { code: 2 } : {}
        }))
      }]
    }]
  })
}

/** Log records, likewise. */
export async function sendLogs (http: string, texts: string[]): Promise<void> {
  await send(http, 'logs', { resourceLogs: [{ resource: resourceOf({}), scopeLogs: [{ logRecords: texts.map((stringValue) => ({ timeUnixNano: String(now()), body: { stringValue } })) }] }] })
}

/** Cumulative counters and histograms that stand at `count`, likewise. */
export async function sendMetrics (http: string, counters: Record<string, Attributes>, histograms: Record<string, Attributes> = {}, count = 1): Promise<void> {
  const point = (attributes: Attributes): object => ({ startTimeUnixNano: started, timeUnixNano: String(now()), attributes: keyValues(attributes) })
  const metrics = [
    ...Object.entries(counters).map(([name, attributes]) => ({ name, sum: { aggregationTemporality: 2, isMonotonic: true, dataPoints: [{ ...point(attributes), asInt: String(count) }] } })),
    ...Object.entries(histograms).map(([name, attributes]) => ({ name, histogram: { aggregationTemporality: 2, dataPoints: [{ ...point(attributes), count: String(count), sum: count, bucketCounts: [String(count), '0'], explicitBounds: [10] }] } }))
  ]
  await send(http, 'metrics', { resourceMetrics: [{ resource: resourceOf({}), scopeMetrics: [{ metrics }] }] })
}
