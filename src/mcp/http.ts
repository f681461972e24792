import type { FastifyError, FastifyRequest } from 'fastify'
import { errorCodes } from './wire.ts'

const parseError = -32700
const invalidRequest = -32600
const internalError = -32603

/** A JSON-RPC error for what failed before or outside a call; the text is safe to send. */
export interface HttpError { status: number, body: { jsonrpc: '2.0', error: { code: number, message: string }, id: null } }

/** Maps what Fastify or a hook threw to a JSON-RPC error; library text never passes. */
export function toHttpError (error: FastifyError): HttpError {
  const status = error.statusCode ?? 500
  const answer = (code: number, message: string): HttpError => ({ status, body: { jsonrpc: '2.0', error: { code, message }, id: null } })
  switch (error.code) {
    case 'MCP_UNAUTHENTICATED': return answer(errorCodes.unauthenticated, error.message)
    case 'MCP_SCOPE_INSUFFICIENT': return answer(errorCodes.insufficientScope, error.message)
    case 'MCP_ISSUER_UNAVAILABLE': return answer(internalError, error.message)
    case 'MCP_ADDRESS_NOT_SERVED':
    case 'MCP_FOREIGN_HOST': return answer(errorCodes.foreignHost, error.message)
    case 'MCP_TOO_MANY_REQUESTS': return answer(errorCodes.tooManyRequests, error.message)
    case 'MCP_STOPPING':
    case 'MCP_OVERLOADED': return answer(errorCodes.overloaded, error.message)
    case 'MCP_BODY_ENCODED':
    case 'MCP_CREDENTIALS_MALFORMED':
    case 'MCP_BATCH_REFUSED':
    case 'MCP_BATCH_TOO_LARGE':
    case 'MCP_IDS_REFUSED':
    case 'MCP_BODY_TOO_COMPLEX': return answer(invalidRequest, error.message)
    case 'FST_ERR_CTP_BODY_TOO_LARGE': return answer(invalidRequest, 'The body is larger than this server accepts')
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE': return answer(invalidRequest, 'Send the body as application/json')
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH': return answer(invalidRequest, 'Content-Length does not match the body')
  }
  if (status === 400) return answer(parseError, 'The body is not valid JSON')
  return status < 500 ? answer(invalidRequest, 'The request is not valid') : answer(internalError, 'Internal error')
}

const reasonOf: Readonly<Record<string, { reason: string }>> = Object.fromEntries([
  ['FST_ERR_CTP_BODY_TOO_LARGE', 'body_too_large'], ['FST_ERR_CTP_INVALID_MEDIA_TYPE', 'media_type'], ['FST_ERR_CTP_INVALID_CONTENT_LENGTH', 'content_length'], ['MCP_SCOPE_INSUFFICIENT', 'insufficient_scope'],
  ...['UNAUTHENTICATED', 'CREDENTIALS_MALFORMED', 'ISSUER_UNAVAILABLE', 'ADDRESS_NOT_SERVED', 'FOREIGN_HOST', 'TOO_MANY_REQUESTS', 'OVERLOADED', 'STOPPING', 'BODY_ENCODED', 'BATCH_REFUSED', 'BATCH_TOO_LARGE', 'IDS_REFUSED', 'BODY_TOO_COMPLEX', 'CLIENT_GONE'].map((code) => [`MCP_${code}`, code.toLowerCase()])
].map(([code, reason]) => [code, { reason }]))
const invalid = { reason: 'invalid' }
const failed = { reason: 'error' }

/** The official server refused a request: headers that don't fit its body, a revision that is not spoken. */
export const refusedByProtocol = { reason: 'protocol' }

/** Every reason for which a request is refused whole, as attributes of metrics. */
export const refusalReasons: ReadonlyArray<{ reason: string }> = [...Object.values(reasonOf), refusedByProtocol, invalid, failed]

/** Why a request was refused. */
export function refusalAttributes ({ code, statusCode = 500 }: FastifyError): { reason: string } {
  return reasonOf[code] ?? (statusCode < 500 ? invalid : failed)
}

/** Credentials end at the door: what is registered on the protocol server sees the principal, not how it proved itself. */
const credentialHeaders = ['authorization', 'x-api-key']

/** The web-standard request that the SDK reads: headers and method; the body was parsed before. */
export function toWebRequest (request: FastifyRequest, signal: AbortSignal): Request {
  const headers = new Headers()
  const { rawHeaders } = request.raw
  for (let index = 0; index < rawHeaders.length; index += 2) headers.append(rawHeaders[index] as string, rawHeaders[index + 1] as string)
  for (const name of credentialHeaders) headers.delete(name)
  headers.set('accept', bothTypesIfAny(headers.get('accept')))
  return new Request(`http://localhost${request.routeOptions.url ?? '/'}`, { method: request.method, headers, signal })
}

/** No Accept, or one that takes everything, counts as the two types that MCP wants. */
function bothTypesIfAny (accept: string | null): string {
  if (accept === null || accept.includes('*/*')) return 'application/json, text/event-stream'
  return accept.toLowerCase().replace('application/*', 'application/json').replace('text/*', 'text/event-stream')
}
