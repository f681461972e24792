import type { JWTPayload } from 'jose'
import type { Principal } from '../mcp/tool.ts'

export interface ClaimRules {
  /** Claims whose values become roles. */
  rolesClaims: readonly string[]
  tenantClaim?: string
  requiredScopes: readonly string[]
}

/** Who holds a token, and whether its scopes open the server. */
export interface Holder { principal: Principal, isScoped: boolean }

const id = /^[\x21-\x7e]{1,255}$/
const word = /^[\x21-\x7e]{1,128}$/ // as roles in the allowlist
const maxRoles = 100 // a role only ever adds rights, so it is safe to leave some out

/**
 * What the claims of a token that was verified say of its holder. What can't be a role is none; a holder or a tenant
 * that can't be named is no holder.
 * @returns the claim that is at fault, or the holder
 */
export function holderOf (claims: JWTPayload, { rolesClaims, tenantClaim, requiredScopes }: ClaimRules): Holder | string {
  const subject = claims.sub === undefined ? claims.client_id : claims.sub
  if (typeof subject !== 'string' || !id.test(subject)) return 'sub'
  const tenant = tenantClaim === undefined ? undefined : wordAt(claims, tenantClaim)
  if (tenant === null) return 'tenant'
  const roles = new Set(rolesClaims.flatMap((claim) => wordsAt(claims, claim)).filter((value) => word.test(value)))
  const scopes = wordsAt(claims, 'scope')
  return {
    principal: Object.freeze({ id: subject, kind: 'oauth', roles: Object.freeze([...roles].slice(0, maxRoles)), ...tenant === undefined ? {} : { tenant } }),
    isScoped: requiredScopes.every((scope) => scopes.includes(scope))
  }
}

function wordAt (claims: JWTPayload, path: string): string | null {
  const value = valueAt(claims, path)
  return typeof value === 'string' && word.test(value) ? value : null
}

/** Some issuers call the claim `scp`. */
function wordsAt (claims: JWTPayload, path: string): string[] {
  const value = valueAt(claims, path) ?? (path === 'scope' ? valueAt(claims, 'scp') : undefined)
  if (typeof value === 'string') return value.split(' ')
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []
}

/** A claim by its whole name, which may have dots in it (https://example.com/roles), or else along them. */
function valueAt (claims: JWTPayload, path: string): unknown {
  if (Object.hasOwn(claims, path)) return claims[path]
  let value: unknown = claims
  for (const name of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
    value = (value as Record<string, unknown>)[name]
  }
  return value
}
