import type { FastifyPluginAsync, onRequestHookHandler } from 'fastify'
import fp from 'fastify-plugin'
import { createKeyCheck, presentedKey } from '../src/credentials.ts'
import { Unauthenticated } from '../src/errors.ts'
import type { Principal } from '../src/mcp/tool.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** An onRequest hook for routes that need to know who is calling. */
    authenticate: onRequestHookHandler
  }
  interface FastifyRequest { principal: Principal }
}

const anonymous: Principal = Object.freeze({ id: 'anonymous', kind: 'anonymous', roles: Object.freeze(['anonymous']) })
const singleKey: Principal = Object.freeze({ id: 'default', kind: 'api-key', roles: Object.freeze(['default']) })

/** `request.principal`: who is calling. Guards only the routes that use `authenticate`. */
const authentication: FastifyPluginAsync = async (fastify) => {
  const { AUTH_MODE, API_KEY } = fastify.config
  fastify.decorateRequest('principal', null as unknown as Principal)

  if (AUTH_MODE === 'none') {
    fastify.decorate('authenticate', (request, _reply, done) => {
      request.principal = anonymous
      done()
    })
    return
  }

  const isKey = createKeyCheck(API_KEY as string)
  fastify.decorate('authenticate', (request, reply, done) => {
    const presented = presentedKey(request.raw)
    if (presented.kind === 'key' && isKey(presented.key)) {
      request.principal = singleKey
      return done()
    }
    // RFC 6750 §3.1: no error code when the request carried no credential at all
    reply.header('www-authenticate', presented.kind === 'none' ? 'Bearer realm="mcp"' : 'Bearer realm="mcp", error="invalid_token"')
    done(new Unauthenticated())
  })
}

export default fp(authentication, { name: 'authentication', fastify: '5.x', dependencies: ['env'], decorators: { fastify: ['config'] } })
