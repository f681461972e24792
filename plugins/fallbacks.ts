import type { FastifyError, FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { isGuest } from '../src/embedding.ts'

/** The framework's errors have its code, those of its JSON parser none. */
const isLibraryText = ({ code }: FastifyError): boolean => code === undefined || code.startsWith('FST_')

/** Answers for unknown paths and for errors outside /mcp; internals stay in the log. */
const fallbacks: FastifyPluginAsync = async (fastify) => {
  // a 404 belongs to a prefix, and without one to the whole server
  if (fastify.prefix !== '' || !isGuest(fastify)) {
    fastify.setNotFoundHandler((_request, reply) => reply.code(404).send({ error: `Not found; the MCP endpoint is POST ${fastify.prefix}/mcp` }))
  }

  fastify.setErrorHandler((error: FastifyError, request, reply) => {
    if (error.code === 'MCP_OVERLOADED') return reply.code(503).send({ error: error.message })
    const status = error.statusCode ?? 500
    if (status >= 500) request.log.error({ err: error }, 'request failed')
    return reply.code(status).send({ error: status >= 500 ? 'Internal error' : isLibraryText(error) ? 'The request is not valid' : error.message })
  })
}

export default fp(fallbacks, { name: 'fallbacks', fastify: '5.x' })
