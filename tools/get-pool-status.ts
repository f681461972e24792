import type { FastifyPluginAsync } from 'fastify'
import { Type } from 'typebox'

const getPoolStatus: FastifyPluginAsync = async (fastify) => {
  const { db } = fastify
  fastify.tools.add({
    name: 'get_pool_status',
    title: 'Get the state of the database pool',
    description: 'Tells whether the server and its database answer, and how busy its database connections are. Ask it when other tools report that the database is not available.',
    effect: 'read',
    input: Type.Object({}),
    output: Type.Object({
      server: Type.String(),
      database: Type.Object({
        status: Type.Enum(['healthy', 'unhealthy']),
        size: Type.Integer({ description: 'Open connections' }),
        idle: Type.Integer({ description: 'Open connections that nobody uses' }),
        min_size: Type.Integer(),
        max_size: Type.Integer(),
        waiting: Type.Integer({ description: 'Calls that wait for a connection' }),
        acquire_wait_ms: Type.Integer({ description: 'Longest wait for a connection in the last minute' }),
        oldest_borrow_ms: Type.Integer({ description: 'How long the connection that was lent longest ago has been out' })
      })
    }),
    async handler () {
      return { server: 'healthy', database: await db.status() }
    }
  })
}

export default getPoolStatus
