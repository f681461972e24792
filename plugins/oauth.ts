import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { uses } from '../config/rules.ts'
import { holderOf } from '../src/oauth/holder.ts'
import { createIssuerKeys } from '../src/oauth/issuer-keys.ts'
import { describeResource, type ProtectedResource } from '../src/oauth/protected-resource.ts'
import { createTokenVerifier, type TokenVerifier } from '../src/oauth/token-verifier.ts'
import { splitWords } from '../src/oauth/words.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** What an OAuth 2.1 resource server needs; undefined when AUTH_MODE has no oauth. */
    oauth: { tokens: TokenVerifier, resource: ProtectedResource } | undefined
  }
}

/** `oauth`: checks access tokens against the keys of OAUTH_ISSUER. An issuer that is down does not stop the boot. */
const oauth: FastifyPluginAsync = async (fastify) => {
  const { config, log } = fastify
  if (!uses(config, 'oauth')) {
    fastify.decorate('oauth', undefined)
    return
  }

  const resource = describeResource(config)
  const { OAUTH_ISSUER: issuer, OAUTH_RESOURCE: audience } = config as Required<typeof config> // config/rules.ts sees to it
  const rules = { rolesClaims: splitWords(config.OAUTH_ROLES_CLAIMS), tenantClaim: config.OAUTH_TENANT_CLAIM, requiredScopes: resource.requiredScopes }
  const keys = createIssuerKeys({ issuer, jwksUrl: config.OAUTH_JWKS_URL, log })
  fastify.decorate('oauth', { resource, tokens: createTokenVerifier({ issuer, audience, keys, holderOf: (claims) => holderOf(claims, rules) }) })

  keys.follow()
  fastify.addHook('onClose', async () => { keys.stop() })
}

export default fp(oauth, { name: 'oauth', fastify: '5.x', dependencies: ['env'], decorators: { fastify: ['config'] } })
