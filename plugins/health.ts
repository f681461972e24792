import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'

/**
 * GET /livez: the process runs, whatever the database does. GET /readyz: it can serve, so it is false while the database
 * is away (twice asked) or the server drains. GET /health: the template's answer, from the same probe. All answer under overload too.
 */
const health: FastifyPluginAsync = async (fastify) => {
  const { db, drain } = fastify
  const config = { sheds: false }

  fastify.get('/livez', { config }, () => ({ status: 'ok' }))

  fastify.get('/readyz', { config }, async (_request, reply) => {
    if (drain.hasBegun()) return await reply.code(503).send({ status: 'unready', reason: 'shutting down' })
    return await db.probe() ? { status: 'ready' } : await reply.code(503).send({ status: 'unready', reason: 'database' })
  })

  fastify.get('/health', { config }, async (_request, reply) => {
    const pool = await db.status()
    return pool.status === 'healthy' ? { status: 'ok', pool } : await reply.code(503).send({ status: 'degraded', detail: 'the database does not answer', pool })
  })
}

export default fp(health, { name: 'health', fastify: '5.x', encapsulate: true, dependencies: ['backpressure', 'database', 'pipeline'], decorators: { fastify: ['db', 'drain'] } })
