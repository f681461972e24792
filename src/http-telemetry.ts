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

const clientGone = 'client_disconnect'

/** The tracing plugin marks success as OK, which the convention leaves unset. */
function setStatusUnlessOk (this: Span, status: SpanStatus): Span {
  return status.code === SpanStatusCode.OK ? this : Object.getPrototypeOf(this).setStatus.call(this, status)
}

/**
 * Counts and times a request until its answer is out or its client is gone, and mends its span: the plugin never ends that
 * of a request whose client left.
 */
export function observeRequest ({ method, protocol, routeOptions }: FastifyRequest, { raw }: FastifyReply, { httpActive, httpDuration }: Pick<Metrics, 'httpActive' | 'httpDuration'>, span?: Span): void {
  const startedAt = performance.now()
  const known = { 'http.request.method': method, 'url.scheme': protocol }
  httpActive.add(1, known)
  if (span !== undefined) span.setStatus = setStatusUnlessOk
  raw.once('close', () => {
    const isServed = raw.writableFinished
    const errorType = isServed ? (raw.statusCode >= 500 ? String(raw.statusCode) : undefined) : clientGone
    httpActive.add(-1, known)
    httpDuration.record((performance.now() - startedAt) / 1000, {
      ...known,
      ...routeOptions.url === undefined ? {} : { 'http.route': routeOptions.url },
      ...raw.headersSent ? { 'http.response.status_code': raw.statusCode } : {},
      ...errorType === undefined ? {} : { 'error.type': errorType }
    })
    if (!isServed) span?.setAttribute('error.type', clientGone).setStatus({ code: SpanStatusCode.ERROR }).end()
  })
}
