import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'

const templateKeys = ['status', 'size', 'idle', 'min_size', 'max_size'] as const

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
    const pool = pick(await db.status(), templateKeys)
    return pool.status === 'healthy' ? { status: 'ok', pool } : await reply.code(503).send({ status: 'degraded', detail: 'the database does not answer', pool })
  })
}

function pick<T, K extends keyof T> (from: T, keys: readonly K[]): Pick<T, K> {
  return Object.fromEntries(keys.map((key) => [key, from[key]])) as Pick<T, K>
}

export default fp(health, { name: 'health', fastify: '5.x', encapsulate: true, dependencies: ['backpressure', 'database', 'pipeline'], decorators: { fastify: ['db', 'drain'] } })
