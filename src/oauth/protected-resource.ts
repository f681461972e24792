import { getOAuthProtectedResourceMetadataUrl } from '@modelcontextprotocol/server'
import type { Config } from '../../config/load.ts'
import { splitWords } from './words.ts'

/** What clients are told of this server as an OAuth protected resource. Configuration alone decides it, no request. */
export interface ProtectedResource {
  metadataUrl: string
  /** Where the metadata is served: the path of the resource, and the root that clients try next. */
  metadataPaths: string[]
  /** The metadata (RFC 9728 §2) as JSON. */
  metadata: string
  requiredScopes: readonly string[]
  /** What a client should ask for: the required scopes, and those that open more. */
  offeredScopes: readonly string[]
}

const wellKnown = '/.well-known/oauth-protected-resource'

export function describeResource (config: Config): ProtectedResource {
  const resource = config.OAUTH_RESOURCE as string
  const requiredScopes = splitWords(config.OAUTH_REQUIRED_SCOPES)
  const offeredScopes = [...new Set([...requiredScopes, ...splitWords(config.OAUTH_OPTIONAL_SCOPES)])]
  const metadataUrl = getOAuthProtectedResourceMetadataUrl(new URL(resource))
  return {
    metadataUrl,
    metadataPaths: [...new Set([new URL(metadataUrl).pathname, wellKnown])],
    metadata: JSON.stringify({
      resource,
      authorization_servers: [config.OAUTH_ISSUER],
      ...offeredScopes.length === 0 ? {} : { scopes_supported: offeredScopes },
      bearer_methods_supported: ['header'],
      resource_name: config.SERVICE_NAME
    }),
    requiredScopes,
    offeredScopes
  }
}
