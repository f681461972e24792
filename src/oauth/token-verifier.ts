import { createHash } from 'node:crypto'
import { errors, jwtVerify, type JWTPayload } from 'jose'
import type { Holder } from './holder.ts'
import type { IssuerKeys, KeySet } from './issuer-keys.ts'

export interface TokenVerifierOptions {
  issuer: string
  audience: string
  keys: IssuerKeys
  /** Who the holder is, or the claim that is at fault. */
  holderOf: (claims: JWTPayload) => Holder | string
  /** For tests. */
  now?: () => number
}

export type Verdict = { kind: 'accepted', holder: Holder } | { kind: 'refused', reason: string } | { kind: 'unavailable' }

export interface TokenVerifier {
  /** The holder of a token that was verified less than a minute ago: no signature to check, nothing to wait for. */
  known: (token: string) => Holder | undefined
  verify: (token: string) => Promise<Verdict>
}

/** Asymmetric alone: with HMAC, a public key would do as the secret. */
const algorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519']
/** Access tokens (RFC 9068 §2.1), and what issuers put there for want of better; it may also be absent. */
const types = new Set(['jwt', 'at+jwt', 'application/at+jwt'])
const maxLength = 16_384
const knownForMs = 60_000
const maxKnown = 10_000
const skewSeconds = 5 // the issuer's clock may run ahead; a token that has expired gets no grace

/** Checks access tokens (RFC 7519, RFC 9068) against the keys of one issuer, and remembers those that were good by their digest. */
export function createTokenVerifier ({ issuer, audience, keys, holderOf, now = Date.now }: TokenVerifierOptions): TokenVerifier {
  const remembered = new Map<string, { holder: Holder, until: number, keySet: KeySet }>()

  function known (token: string): Holder | undefined {
    const found = remembered.get(digestOf(token))
    // a set of keys that has changed may lack the key that signed the token
    return found !== undefined && now() < found.until && found.keySet === keys.current && keys.isFresh() ? found.holder : undefined
  }

  async function verify (token: string): Promise<Verdict> {
    if (token.length > maxLength) return refused('length')
    if (keys.current === undefined || !keys.isFresh()) await keys.refresh()
    const keySet = keys.current
    if (keySet === undefined) return { kind: 'unavailable' }
    const verdict = await check(token, keySet)
    if (verdict !== 'unknown key') return verdict
    await keys.refresh()
    const again = keys.current === keySet ? verdict : await check(token, keys.current as KeySet)
    return again === 'unknown key' ? refused('kid') : again
  }

  async function check (token: string, keySet: KeySet): Promise<Verdict | 'unknown key'> {
    try {
      const { payload, protectedHeader } = await jwtVerify(token, keySet, { issuer, audience, algorithms, requiredClaims: ['exp'], clockTolerance: skewSeconds, currentDate: new Date(now()) })
      return judge(token, keySet, payload, protectedHeader.typ)
    } catch (error) {
      return error instanceof errors.JWKSNoMatchingKey ? 'unknown key' : refused(reasonOf(error as Error))
    }
  }

  function judge (token: string, keySet: KeySet, claims: JWTPayload, type: unknown): Verdict {
    const expiresAt = (claims.exp as number) * 1000
    if (expiresAt <= now()) return refused('exp')
    if (type !== undefined && !types.has(String(type).toLowerCase())) return refused('typ')
    if (claims.cnf !== undefined) return refused('cnf') // bound to a key of the client (RFC 7800), which is not asked for here
    const holder = holderOf(claims)
    if (typeof holder === 'string') return refused(holder)
    remember(digestOf(token), { holder, until: Math.min(expiresAt, now() + knownForMs), keySet })
    return { kind: 'accepted', holder }
  }

  function remember (digest: string, entry: { holder: Holder, until: number, keySet: KeySet }): void {
    remembered.delete(digest)
    remembered.set(digest, entry)
    if (remembered.size > maxKnown) remembered.delete(remembered.keys().next().value as string) // the one that ends first, or nearly
  }

  return { known, verify }
}

function refused (reason: string): Verdict {
  return { kind: 'refused', reason }
}

/** The claim at fault, or a code; never text of the token. */
function reasonOf (error: Error): string {
  if (error instanceof errors.JWTClaimValidationFailed || error instanceof errors.JWTExpired) return error.claim
  return error instanceof errors.JOSEError ? error.code : error.name
}

function digestOf (token: string): string {
  return createHash('sha256').update(token).digest('base64')
}
