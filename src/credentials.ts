import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { headerValues } from './headers.ts'

/** What a request presents; 'ambiguous' when it presents more than one thing. */
export type Presented = { kind: 'none' } | { kind: 'ambiguous' } | { kind: 'key', key: string }

/**
 * Reads `Authorization: Bearer <key>` (scheme in any case, RFC 9110 §11.1) and `X-API-Key`. A header that stands
 * twice, or two credentials that disagree, are refused rather than guessed at.
 */
export function presentedKey (request: IncomingMessage): Presented {
  const authorization = headerValues(request, 'authorization')
  const apiKey = headerValues(request, 'x-api-key')
  if (authorization.length > 1 || apiKey.length > 1) return { kind: 'ambiguous' }
  const bearer = authorization[0] === undefined ? undefined : (/^bearer +(\S+) *$/i.exec(authorization[0])?.[1] ?? '')
  const keys = [bearer, apiKey[0]?.trim()].filter((key) => key !== undefined)
  if (keys.length === 0) return { kind: 'none' }
  return keys.every((key) => key === keys[0]) ? { kind: 'key', key: keys[0] as string } : { kind: 'ambiguous' }
}

/** Compares with one secret in constant time; the digests make lengths equal. */
export function createKeyCheck (secret: string): (key: string) => boolean {
  const expected = digest(secret)
  return (key) => timingSafeEqual(digest(key), expected)
}

function digest (text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
