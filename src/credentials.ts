import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { headerValues } from './headers.ts'

/** What a request presents. An access token comes as a bearer alone, an API key in either header. */
export type Presented = { kind: 'none' } | { kind: 'malformed' } | { kind: 'key', key: string, isBearer: boolean }

/**
 * Reads `Authorization: Bearer <key>` (scheme in any case, RFC 9110 §11.1) and `X-API-Key`. A header that stands
 * twice, two credentials that disagree, and a bearer that can't be read are malformed (RFC 6750 §3.1), never guessed
 * at. Another scheme is no credential here.
 */
export function presentedKey (request: IncomingMessage): Presented {
  const authorization = headerValues(request, 'authorization')
  const apiKey = headerValues(request, 'x-api-key')
  if (authorization.length > 1 || apiKey.length > 1) return { kind: 'malformed' }
  const [header] = authorization
  const own = apiKey[0]?.trim()
  if (header === undefined) return own === undefined ? { kind: 'none' } : { kind: 'key', key: own, isBearer: false }
  const bearer = /^bearer +(\S+) *$/i.exec(header)?.[1]
  if (own !== undefined && own !== bearer) return { kind: 'malformed' }
  if (bearer !== undefined) return { kind: 'key', key: bearer, isBearer: true }
  return /^bearer(\W|$)/i.test(header) ? { kind: 'malformed' } : { kind: 'none' }
}

/** Whether a credential has the shape of a signed token (RFC 7515 §7.1); keys that `portcullis keys new` makes never do. */
export function isJwt (credential: string): boolean {
  return /^[\w-]+\.[\w-]+\.[\w-]*$/.test(credential)
}

/** Compares with one secret in constant time; the digests make lengths equal. */
export function createKeyCheck (secret: string): (key: string) => boolean {
  const expected = digest(secret)
  return (key) => timingSafeEqual(digest(key), expected)
}

function digest (text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
