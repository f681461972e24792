import { context, createTraceState, isSpanContextValid, trace, type Context, type Link, type SpanContext } from '@opentelemetry/api'
import type { TraceHeaders } from '../upstream.ts'

const traceparentForm = /^(?!ff)[\da-f]{2}-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})$/

/** What a request names in `params._meta`, where it has the form of W3C trace context: the values become headers of requests to others. */
export function traceOf (meta: unknown): TraceHeaders | undefined {
  const { traceparent, tracestate } = (meta ?? {}) as Record<string, unknown>
  if (typeof traceparent !== 'string' || !traceparentForm.test(traceparent)) return undefined
  return typeof tracestate === 'string' && /^[\x20-\x7e]{1,512}$/.test(tracestate) ? { traceparent, tracestate } : { traceparent }
}

/**
 * Where the span of an MCP request belongs: below what the client names, with a link to the HTTP request that carried it;
 * without such a name below the HTTP request.
 */
export function placeOf (named: TraceHeaders | undefined): { parent: Context, links: Link[] } {
  const around = context.active()
  const asked = spanContextOf(named)
  if (asked === undefined) return { parent: around, links: [] }
  const carrier = trace.getSpanContext(around)
  return { parent: trace.setSpanContext(around, asked), links: carrier === undefined ? [] : [{ context: carrier }] }
}

/** MCP's own form, whatever OTEL_PROPAGATORS says of HTTP headers. */
function spanContextOf (named: TraceHeaders | undefined): SpanContext | undefined {
  const [, traceId, spanId, flags] = traceparentForm.exec(named?.traceparent ?? '') ?? []
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined
  const found = { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & 1, isRemote: true, ...named?.tracestate === undefined ? {} : { traceState: createTraceState(named.tracestate) } }
  return isSpanContextValid(found) ? found : undefined
}
