import otel from '@autotelic/fastify-opentelemetry'
import { context, trace, type Context, type Tracer } from '@opentelemetry/api'
import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { isGuest } from '../src/embedding.ts'
import { logExportFailures } from '../src/export-log.ts'
import { httpSpans, observeRequest, pathOf } from '../src/http-telemetry.ts'
import { parts } from '../src/mcp/drain.ts'
import { createMetrics, type Metrics, type Observe } from '../src/metrics.ts'
import { watchProcess } from '../src/process-metrics.ts'
import { hasSdk, stopSdk } from '../src/telemetry-sdk.ts'
import { telemetryOf } from '../src/telemetry-settings.ts'
import { version } from '../src/version.ts'

declare module 'fastify' {
  interface FastifyInstance {
    metrics: Metrics
    observe: Observe
    /** Makes spans; undefined while traces go nowhere. */
    tracer: Tracer | undefined
  }
  interface FastifyRequest { spanContext: Context | undefined }
}

const probes = ['/livez', '/readyz', '/health']
const flushMs = 2_000

/** `metrics` and `tracer`; a span and a duration for each HTTP request. The SDK is started by the preload, and flushed here when all else has ended. */
const telemetry: FastifyPluginAsync = async (fastify) => {
  const { config, log } = fastify
  const { traces, metrics: isMeasured, logs } = telemetryOf(config)
  const metrics = createMetrics()
  fastify.decorate('metrics', metrics)
  const observed: Array<() => void> = []
  fastify.decorate('observe', (instrument, ask) => {
    instrument.addCallback(ask)
    observed.push(() => { instrument.removeCallback(ask) })
  })
  fastify.decorate('tracer', traces ? trace.getTracer('portcullis', version) : undefined)
  if ((traces || isMeasured || logs) && !hasSdk() && !isGuest(fastify)) log.warn('telemetry is on, but nothing collects it: start with node --import ./dist/src/instrumentation.js')

  const failures = hasSdk() && config.OTEL_LOG_LEVEL === undefined ? logExportFailures(log, config.OTEL_METRIC_EXPORT_INTERVAL) : undefined
  fastify.addHook('onClose', async () => {
    const { drain } = fastify as Partial<typeof fastify> // a boot that failed has none
    if (!isGuest(fastify)) await stopSdk(Math.min(flushMs, drain?.msUntil(parts.telemetrySent) ?? flushMs))
    failures?.close()
    for (const stop of observed) stop()
  })

  if (isMeasured) watchProcess(fastify.observe, metrics)
  const untraced = new Set(probes.map((path) => `${fastify.prefix}${path}`))
  const isUntraced = (url: string): boolean => !traces || untraced.has(pathOf(url))
  if (traces) await fastify.register(otel, { ...httpSpans, wrapRoutes: true, exposeApi: false, ignoreRoutes: isUntraced })
  fastify.decorateRequest('spanContext', undefined)
  fastify.addHook('onRequest', (request, reply, done) => {
    const span = isUntraced(request.url) ? undefined : trace.getActiveSpan()
    if (span !== undefined) request.spanContext = context.active()
    if (traces || isMeasured) observeRequest(request, reply, metrics, span)
    done()
  })
  fastify.addHook('preValidation', ({ spanContext }, _reply, done) => { // reading a body leaves the context behind
    spanContext === undefined ? done() : context.with(spanContext, done)
  })
}

export default fp(telemetry, { name: 'telemetry', fastify: '5.x', dependencies: ['env'], decorators: { fastify: ['config'] } })
