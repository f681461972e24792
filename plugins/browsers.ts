import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { createCors, securityHeaders } from '../src/browsers.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** true: pages of ALLOWED_ORIGINS may read the answers of this route; it also takes OPTIONS. */
    crossOrigin?: boolean
  }
}

/**
 * What browsers are told: headers that keep every answer from being cached, framed or taken for something else, and
 * which pages may read it. Not @fastify/cors: it can't be registered in a server whose host has it.
 */
const browsers: FastifyPluginAsync = async (fastify) => {
  const cors = createCors(fastify.config.ALLOWED_ORIGINS)

  // the first hook, so that a refusal of a later one can be read too
  fastify.addHook('onRequest', (request, reply, done) => {
    reply.headers(securityHeaders)
    if (cors === undefined || request.routeOptions.config.crossOrigin !== true) return done()
    reply.header('vary', 'Origin')
    const { origin } = request.headers
    if (!cors.isAllowed(origin)) return done()
    reply.headers(cors.headers(origin))
    if (request.method !== 'OPTIONS') return done()
    reply.code(204).headers(cors.preflight(request.headers['access-control-request-headers'])).send()
  })
}

export default fp(browsers, { name: 'browsers', fastify: '5.x', dependencies: ['env'], decorators: { fastify: ['config'] } })
