import { SpanStatusCode, type Attributes, type Span, type SpanStatus } from '@opentelemetry/api'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Metrics } from './metrics.ts'

const longestUserAgent = 256
const methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'CONNECT', 'TRACE', 'QUERY'])

/** A proxy that is trusted passes on whatever scheme a client made up. */
function known ({ method, protocol }: FastifyRequest): { 'http.request.method': string, 'url.scheme': string } {
  return { 'http.request.method': methods.has(method) ? method : '_OTHER', 'url.scheme': protocol === 'https' ? 'https' : 'http' }
}

/** The path without the query, which can hold anything. */
export function pathOf (url: string): string {
  const end = url.search(/[?#]/)
  return end < 0 ? url : url.slice(0, end)
}

/** How spans of HTTP requests are named and described: opentelemetry.io/docs/specs/semconv/http/http-spans. */
export const httpSpans = {
  formatSpanName: (request: FastifyRequest): string => [known(request)['http.request.method'], request.routeOptions.url].filter((part) => part !== undefined).join(' '),
  formatSpanAttributes: {
    request: (request: FastifyRequest): Attributes => ({
      ...known(request),
      'http.route': request.routeOptions.url,
      'url.path': pathOf(request.raw.url ?? '/'),
      'network.protocol.version': request.raw.httpVersion,
      'client.address': request.ip,
      'user_agent.original': request.headers['user-agent']?.slice(0, longestUserAgent)
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
export function observeRequest (request: FastifyRequest, { raw }: FastifyReply, { httpActive, httpDuration }: Pick<Metrics, 'httpActive' | 'httpDuration'>, span?: Span): void {
  const startedAt = performance.now()
  const attributes = known(request)
  const { url: route } = request.routeOptions
  httpActive.add(1, attributes)
  if (span !== undefined) span.setStatus = setStatusUnlessOk
  raw.once('close', () => {
    const isServed = raw.writableFinished
    const errorType = isServed ? (raw.statusCode >= 500 ? String(raw.statusCode) : undefined) : clientGone
    httpActive.add(-1, attributes)
    httpDuration.record((performance.now() - startedAt) / 1000, {
      ...attributes,
      ...route === undefined ? {} : { 'http.route': route },
      ...raw.headersSent ? { 'http.response.status_code': raw.statusCode } : {},
      ...errorType === undefined ? {} : { 'error.type': errorType }
    })
    if (!isServed) span?.setAttribute('error.type', clientGone).setStatus({ code: SpanStatusCode.ERROR }).end()
  })
}
