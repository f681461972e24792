import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'
import { ToolError, type Json, type Principal } from './mcp/tool.ts'

/** Where a page ended, as text: what a statement needs to go on from there. */
export type Position = readonly string[]

/** Cursors of one tool for one caller. */
export interface Cursors {
  /**
   * A text that nobody can read or make, good for one hour.
   * @param bound whatever must be the same on the next page: query, filters, order
   */
  seal: (position: Position, bound: Json) => string
  /** @throws ToolError invalid_argument when it was altered, expired, or made for another caller, tool or `bound` */
  open: (cursor: string, bound: Json) => Position
}

const ttlMs = 3_600_000
const cipher = 'aes-256-gcm'
const nonceBytes = 12
const tagBytes = 16

/**
 * Encrypted and not only signed: a position holds column values, and the caller may not be allowed to see those.
 * @param secret PORTCULLIS_SECRET, shared by all replicas
 */
export function createCursors (secret: string, now: () => number = Date.now): (principal: Principal, tool: string) => Cursors {
  const key = new Uint8Array(hkdfSync('sha256', secret, '', 'portcullis cursors', 32))

  return ({ kind, id, tenant }, tool) => {
    const holder = (bound: Json): Buffer => Buffer.from(JSON.stringify([kind, id, tenant ?? null, tool, bound]))
    return {
      seal: (position, bound) => {
        const nonce = randomBytes(nonceBytes)
        const sealing = createCipheriv(cipher, key, nonce, { authTagLength: tagBytes }).setAAD(holder(bound))
        const text = sealing.update(JSON.stringify([now() + ttlMs, ...position]))
        return Buffer.concat([nonce, text, sealing.final(), sealing.getAuthTag()]).toString('base64url')
      },
      open: (cursor, bound) => {
        const [expires, ...position] = decrypt(cursor, key, holder(bound))
        if (now() >= expires) throw unusable()
        return position
      }
    }
  }
}

function decrypt (cursor: string, key: Uint8Array, holder: Buffer): [expires: number, ...position: string[]] {
  const sealed = Buffer.from(cursor, 'base64url')
  // one spelling only: base64 ignores what it does not know
  if (sealed.length < nonceBytes + tagBytes || sealed.toString('base64url') !== cursor) throw unusable()
  try {
    const opening = createDecipheriv(cipher, key, sealed.subarray(0, nonceBytes), { authTagLength: tagBytes }).setAAD(holder)
    opening.setAuthTag(sealed.subarray(-tagBytes))
    return JSON.parse(Buffer.concat([opening.update(sealed.subarray(nonceBytes, -tagBytes)), opening.final()]).toString())
  } catch {
    throw unusable()
  }
}

function unusable (): ToolError {
  return new ToolError('invalid_argument', 'The cursor has expired or belongs to another search. Start again without the cursor.')
}
