import { splitList } from './hosts.ts'

/** Nothing of ours is a page, a script or a frame. HSTS belongs to whoever ends TLS. */
export const securityHeaders: Readonly<Record<string, string>> = Object.freeze({
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff'
})

const requestHeaders = ['accept', 'authorization', 'baggage', 'content-type', 'last-event-id', 'mcp-method', 'mcp-name', 'mcp-protocol-version', 'mcp-session-id', 'traceparent', 'tracestate', 'x-api-key']
const responseHeaders = ['ratelimit', 'ratelimit-policy', 'retry-after', 'www-authenticate']
const parameterHeader = /^mcp-param-[\w-]+$/
const keepPreflightSeconds = 600

/** What the Fetch standard calls CORS: pages of the allowed origins, and no others, may send requests and read the answers. */
export interface Cors {
  isAllowed: (origin: string | undefined) => origin is string
  /** Headers of every answer to such a page. */
  headers: (origin: string) => Record<string, string>
  /** Further headers of the answer to a preflight, which carries no credentials; `wanted` is its Access-Control-Request-Headers. */
  preflight: (wanted: string | undefined) => Record<string, string>
}

/** @param allowedOrigins the setting; undefined is returned when it names nobody */
export function createCors (allowedOrigins: string): Cors | undefined {
  const origins = new Set(splitList(allowedOrigins).map((origin) => origin.toLowerCase()))
  if (origins.size === 0) return undefined
  const allowed = requestHeaders.join(', ')
  const exposed = responseHeaders.join(', ')

  return {
    isAllowed: (origin): origin is string => origin !== undefined && origins.has(origin.toLowerCase()),
    headers: (origin) => ({ 'access-control-allow-origin': origin, 'access-control-expose-headers': exposed }),
    preflight: (wanted = '') => {
      // a tool's schema decides which there are, so those asked for are repeated
      const parameters = splitList(wanted.toLowerCase()).filter((name) => parameterHeader.test(name))
      return {
        'access-control-allow-methods': 'POST',
        'access-control-allow-headers': [allowed, ...parameters].join(', '),
        'access-control-max-age': String(keepPreflightSeconds)
      }
    }
  }
}
