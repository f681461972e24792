import type { ProtectedResource } from './oauth/protected-resource.ts'

/** Values of WWW-Authenticate, made once: RFC 6750 §3, and RFC 9728 §5.1 where there is an authorization server. */
export interface Challenges {
  /** No credential at all: no error code (RFC 6750 §3.1). */
  missing: string
  invalid: string
  malformed: string
  /** Names every scope that is required, so that one sign-in is enough. */
  insufficient: string
}

/** @param resource absent when API keys alone open */
export function createChallenges (resource?: ProtectedResource): Challenges {
  const where = resource === undefined ? 'realm="mcp"' : `resource_metadata="${resource.metadataUrl}"`
  const offered = scopeOf(resource?.offeredScopes)
  return {
    missing: bearer(where, offered),
    invalid: bearer(where, offered, 'error="invalid_token"'),
    malformed: bearer(where, offered, 'error="invalid_request"'),
    insufficient: bearer(where, scopeOf(resource?.requiredScopes), 'error="insufficient_scope"')
  }
}

function bearer (...parameters: Array<string | undefined>): string {
  return `Bearer ${parameters.filter((parameter) => parameter !== undefined).join(', ')}`
}

function scopeOf (scopes: readonly string[] = []): string | undefined {
  return scopes.length === 0 ? undefined : `scope="${scopes.join(' ')}"`
}
