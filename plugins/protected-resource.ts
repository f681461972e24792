import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'

/** GET /.well-known/oauth-protected-resource (RFC 9728): tells clients which authorization server to sign in at. */
const protectedResource: FastifyPluginAsync = async (fastify) => {
  if (fastify.oauth === undefined) return
  const { metadata, metadataPaths } = fastify.oauth.resource

  fastify.addHook('onRequest', (_request, reply, done) => {
    reply.header('access-control-allow-origin', '*') // public, and clients in browsers look for it
    done()
  })
  for (const url of metadataPaths) {
    fastify.get(url, { config: { sheds: false } }, (_request, reply) => reply.type('application/json').send(metadata))
    // SDK clients send MCP-Protocol-Version along, for which browsers ask first
    fastify.options(url, { config: { sheds: false } }, (_request, reply) => reply.code(204).headers({ 'access-control-allow-methods': 'GET, HEAD', 'access-control-allow-headers': '*' }).send())
  }
}

export default fp(protectedResource, { name: 'protected-resource', fastify: '5.x', encapsulate: true, dependencies: ['oauth'], decorators: { fastify: ['oauth'] } })
