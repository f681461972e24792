import { context, propagation } from '@opentelemetry/api'
import { CallEnded, EgressRefused } from './errors.ts'
import { parseHostEntry, splitList, type HostEntry } from './hosts.ts'
import { ToolError } from './mcp/tool.ts'

export interface UpstreamOptions {
  /** EGRESS_HOSTS: what may be called; `*.example.com` covers the names below it. */
  hosts: string
  /** Longest response body, bytes, after decompression. */
  maxBytes: number
}

/** W3C trace context of the request that led to the call. */
export interface TraceHeaders { traceparent: string, tracestate?: string }

/** `fetch` for one call. */
export interface Upstream {
  fetch: typeof fetch
  /** Ends what the handler left running. */
  end: () => void
}

const maxRedirects = 5
const redirectStatus = new Set([301, 302, 303, 307, 308])
/** What another origin may see of a redirected request; a credential can be in any other header. */
const harmless = new Set(['accept', 'accept-language', 'user-agent', 'traceparent', 'tracestate'])

/**
 * How tools call other HTTP services: the hosts of EGRESS_HOSTS alone, redirects included; no longer than the call;
 * no more than `maxBytes` back. Nothing of the caller goes along but its trace context.
 * @returns makes the `fetch` of one call
 */
export function createUpstream ({ hosts, maxBytes }: UpstreamOptions): (signal: AbortSignal, trace?: TraceHeaders) => Upstream {
  const allowed = splitList(hosts).flatMap((entry) => parseEgressHost(entry) ?? [])

  /** @throws EgressRefused */
  function checked (url: URL): URL {
    const port = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port
    const isAllowed = (url.protocol === 'https:' || url.protocol === 'http:') && allowed.some((entry) => covers(entry, url.hostname, port))
    if (!isAllowed) throw new EgressRefused(url.protocol.startsWith('http') ? url.host : url.protocol)
    return url
  }

  return (signal, trace) => {
    let over: AbortController | undefined
    let hasEnded = false
    const send = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
      if (hasEnded) throw new CallEnded()
      over ??= new AbortController()
      let url = checked(new URL(input instanceof Request ? input.url : input))
      const { redirect = 'follow', signal: ownSignal, ...rest } = { ...input instanceof Request ? await fieldsOf(input) : {}, ...init }
      const signals = [signal, over.signal, ...ownSignal == null ? [] : [ownSignal]]
      const headers = new Headers(rest.headers)
      for (const [name, value] of Object.entries({ ...trace, ...spanHeaders() })) headers.set(name, value as string)

      for (let hop = 0; ; hop++) {
        const response = await once(url, { ...rest, headers, signal: AbortSignal.any(signals), redirect: redirect === 'error' ? 'error' : 'manual' })
        const location = response.headers.get('location')
        const follows = redirect === 'follow' && redirectStatus.has(response.status) && location !== null && /^(GET|HEAD)$/i.test(rest.method ?? 'GET')
        if (!follows) return bounded(response, maxBytes)
        await response.body?.cancel()
        if (hop === maxRedirects) throw new ToolError('upstream', 'The service that this tool asks redirects too often.')
        const next = checked(new URL(location, url))
        if (next.origin !== url.origin) for (const name of [...headers.keys()]) if (!harmless.has(name)) headers.delete(name)
        url = next
      }
    }
    return {
      fetch: (input, init) => {
        const sending = send(input, init)
        sending.catch(() => {}) // a failure that no tool awaits must not end the process
        return sending
      },
      end: () => {
        hasEnded = true
        over?.abort()
      }
    }
  }
}

/** Trace context of the span of the call, if there is one; baggage, which an agent can fill, stays here. */
function spanHeaders (): Record<string, string> {
  const carrier: Record<string, string> = {}
  propagation.inject(context.active(), carrier)
  delete carrier.baggage
  return carrier
}

/** Reads `name`, `name:port` or `*.name`; anything else is undefined. */
export function parseEgressHost (text: string): HostEntry | undefined {
  const entry = parseHostEntry(text.replace(/^\*\./, ''))
  return entry !== undefined && text.startsWith('*.') ? { ...entry, hostname: `*.${entry.hostname}` } : entry
}

function covers ({ hostname, port }: HostEntry, asked: string, askedPort: string): boolean {
  if (port !== undefined && port !== askedPort) return false
  return hostname.startsWith('*.') ? asked.endsWith(hostname.slice(1)) : hostname === asked
}

/** A Request's parts, so that each hop can be sent anew. */
async function fieldsOf (request: Request): Promise<RequestInit> {
  const { method, headers, redirect, signal } = request
  return { method, headers, redirect, signal, ...request.body === null ? {} : { body: await request.arrayBuffer() } }
}

async function once (url: URL, init: RequestInit): Promise<Response> {
  const request = new Request(url, { ...init, credentials: 'omit' }) // a tool's own mistake is no outage
  try {
    return await fetch(request)
  } catch (error) {
    if (init.signal?.aborted === true) throw error
    throw Object.assign(new ToolError('upstream', 'The service that this tool asks can\'t be reached.'), { cause: error })
  }
}

function bounded (response: Response, maxBytes: number): Response {
  if (response.body === null) return response
  if (response.status > 599) { // which no Response can be made of
    response.body.cancel().catch(() => {})
    throw new ToolError('upstream', `The service that this tool asks answered with status ${response.status}.`)
  }
  let received = 0
  const limit = new TransformStream<Uint8Array, Uint8Array>({
    transform: (chunk, controller) => {
      received += chunk.byteLength
      if (received > maxBytes) throw new ToolError('upstream', `The service that this tool asks sent more than ${maxBytes} bytes.`)
      controller.enqueue(chunk)
    }
  })
  const { status, statusText, headers, url } = response
  return Object.defineProperty(new Response(response.body.pipeThrough(limit), { status, statusText, headers }), 'url', { value: url })
}
