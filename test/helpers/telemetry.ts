import { context, metrics, propagation, trace, type Attributes } from '@opentelemetry/api'
import { metrics as sdkMetrics, NodeSDK, tracing } from '@opentelemetry/sdk-node'
import type { Test } from 'tap'

export interface Measured { attributes: Attributes, value: any }

export interface Collected {
  /** Spans that have ended, in that order. */
  spans: () => tracing.ReadableSpan[]
  /** What the reader reads now: a number, or `{ count, sum, buckets }` of a histogram. */
  points: (name: string) => Promise<Measured[]>
  names: () => Promise<string[]>
  /** Waits for a span that ends after its request was answered. */
  untilSpan: (isIt: (span: tracing.ReadableSpan) => boolean) => Promise<tracing.ReadableSpan>
  forget: () => void
}

/** An OpenTelemetry SDK in this process whose exporters keep what they get; stopped with the test. */
export function collecting (t: Test): Collected {
  const spanExporter = new tracing.InMemorySpanExporter()
  const metricExporter = new sdkMetrics.InMemoryMetricExporter(sdkMetrics.AggregationTemporality.CUMULATIVE)
  const reader = new sdkMetrics.PeriodicExportingMetricReader({ exporter: metricExporter, exportIntervalMillis: 3_600_000 })
  const sdk = new NodeSDK({ autoDetectResources: false, spanProcessors: [new tracing.SimpleSpanProcessor(spanExporter)], metricReaders: [reader], logRecordProcessors: [] })
  sdk.start()
  t.teardown(async () => {
    await sdk.shutdown()
    for (const api of [trace, metrics, context, propagation]) api.disable()
  })

  const read = async () => {
    metricExporter.reset()
    await reader.forceFlush()
    return metricExporter.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(({ metrics }) => metrics))
  }
  return {
    spans: () => spanExporter.getFinishedSpans(),
    points: async (name) => (await read()).filter(({ descriptor }) => descriptor.name === name).flatMap(({ dataPoints }) => dataPoints as Measured[]),
    names: async () => (await read()).map(({ descriptor }) => descriptor.name).sort(),
    untilSpan: async (isIt) => {
      for (;;) {
        const found = spanExporter.getFinishedSpans().find(isIt)
        if (found !== undefined) return found
        await new Promise((resolve) => { setImmediate(resolve) })
      }
    },
    forget: () => { spanExporter.reset() }
  }
}
