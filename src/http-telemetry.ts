import { SpanStatusCode, type Attributes, type Span, type SpanStatus } from '@opentelemetry/api'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Metrics } from './metrics.ts'

const longestUserAgent = 256

/** The path without the query, which can hold anything. */
export function pathOf (url: string): string {
  const end = url.search(/[?#]/)
  return end < 0 ? url : url.slice(0, end)
}

/** How spans of HTTP requests are named and described: opentelemetry.io/docs/specs/semconv/http/http-spans. */
export const httpSpans = {
  formatSpanName: ({ method, routeOptions }: FastifyRequest): string => routeOptions.url === undefined ? method : `${method} ${routeOptions.url}`,
  formatSpanAttributes: {
    request: ({ method, routeOptions, raw, protocol, ip, headers }: FastifyRequest): Attributes => ({
      'http.request.method': method,
      'http.route': routeOptions.url,
      'url.path': pathOf(raw.url ?? '/'),
      'url.scheme': protocol,
      'network.protocol.version': raw.httpVersion,
      'client.address': ip,
      'user_agent.original': headers['user-agent']?.slice(0, longestUserAgent)
    }),
    reply: ({ statusCode }: FastifyReply): Attributes => ({
      'http.response.status_code': statusCode,
      'error.type': statusCode >= 500 ? String(statusCode) : undefined
    }),
    error: (): Attributes => ({}) // messages and stacks belong to the log
  }
}

/**
 * Mends what the tracing plugin does to a span: it marks success as OK, which the convention leaves unset, and never ends
 * the span of a request whose client left.
 */
export function mendSpan (span: Span, { raw }: FastifyReply): void {
  span.setStatus = setStatusUnlessOk
  raw.once('close', () => {
    if (raw.writableFinished) return
    span.setAttribute('error.type', clientGone)
    span.setStatus({ code: SpanStatusCode.ERROR })
    span.end()
  })
}

const clientGone = 'client_disconnect'

function setStatusUnlessOk (this: Span, status: SpanStatus): Span {
  return status.code === SpanStatusCode.OK ? this : Object.getPrototypeOf(this).setStatus.call(this, status)
}

/** Counts and times a request until its answer is out or its client is gone. */
export function measure ({ httpActive, httpDuration }: Pick<Metrics, 'httpActive' | 'httpDuration'>, { method, protocol, routeOptions }: FastifyRequest, { raw }: FastifyReply): void {
  const startedAt = performance.now()
  const known = { 'http.request.method': method, 'url.scheme': protocol }
  httpActive.add(1, known)
  raw.once('close', () => {
    httpActive.add(-1, known)
    const errorType = raw.writableFinished ? (raw.statusCode >= 500 ? String(raw.statusCode) : undefined) : clientGone
    httpDuration.record((performance.now() - startedAt) / 1000, {
      ...known,
      ...routeOptions.url === undefined ? {} : { 'http.route': routeOptions.url },
      ...raw.headersSent ? { 'http.response.status_code': raw.statusCode } : {},
      ...errorType === undefined ? {} : { 'error.type': errorType }
    })
  })
}
