import { createChallenges } from './challenges.ts'
import { isJwt, type Presented } from './credentials.ts'
import { CredentialsMalformed, IssuerUnavailable, oneLine, ScopeInsufficient, Unauthenticated } from './errors.ts'
import type { Principal } from './mcp/tool.ts'
import type { Holder } from './oauth/holder.ts'
import { coolDownMs } from './oauth/issuer-keys.ts'
import type { ProtectedResource } from './oauth/protected-resource.ts'
import type { TokenVerifier, Verdict } from './oauth/token-verifier.ts'

export interface IdentifyOptions {
  /** Whose API key it is; absent when keys open nothing. */
  findKey?: (key: string) => Principal | undefined
  /** Absent when access tokens open nothing. */
  oauth?: { tokens: TokenVerifier, resource: ProtectedResource }
}

/** Why a request does not get in, and the header that tells its client what to do. */
export class Refusal {
  readonly error: Error
  readonly header: readonly [name: string, value: string]

  constructor (error: Error, header: readonly [name: string, value: string]) {
    this.error = error
    this.header = header
  }
}

/**
 * Decides who presents a credential. An API key, and an access token that was verified lately, are decided at once;
 * only a token that is new has its signature checked, and only then there is something to wait for.
 */
export function createIdentify ({ findKey, oauth }: IdentifyOptions): (presented: Presented) => Principal | Refusal | Promise<Principal | Refusal> {
  const challenges = createChallenges(oauth?.resource)
  const wanted = [
    ...oauth === undefined ? [] : ['access token as "Authorization: Bearer <token>"'],
    ...findKey === undefined ? [] : ['API key as "Authorization: Bearer <key>" or "X-API-Key: <key>"']
  ].join(', or ')

  const challenge = (value: string, error: Error): Refusal => new Refusal(error, ['www-authenticate', value])

  function admitted ({ principal, isScoped }: Holder): Principal | Refusal {
    return isScoped ? principal : challenge(challenges.insufficient, new ScopeInsufficient(oauth?.resource.requiredScopes.join(' ') ?? ''))
  }

  function concluded (verdict: Verdict): Principal | Refusal {
    if (verdict.kind === 'accepted') return admitted(verdict.holder)
    if (verdict.kind === 'unavailable') return new Refusal(oneLine(new IssuerUnavailable()), ['retry-after', String(coolDownMs / 1000)])
    return challenge(challenges.invalid, Object.assign(new Unauthenticated(wanted), { reason: verdict.reason }))
  }

  return (presented) => {
    if (presented.kind === 'none') return challenge(challenges.missing, new Unauthenticated(wanted))
    if (presented.kind === 'malformed') return challenge(challenges.malformed, new CredentialsMalformed())
    if (oauth !== undefined && presented.isBearer && isJwt(presented.key)) {
      const holder = oauth.tokens.known(presented.key)
      return holder !== undefined ? admitted(holder) : oauth.tokens.verify(presented.key).then(concluded)
    }
    return findKey?.(presented.key) ?? challenge(challenges.invalid, new Unauthenticated(wanted))
  }
}
