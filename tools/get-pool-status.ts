import type { FastifyPluginAsync } from 'fastify'
import { Type } from 'typebox'

const getPoolStatus: FastifyPluginAsync = async (fastify) => {
  const { db } = fastify
  fastify.tools.add({
    name: 'get_pool_status',
    title: 'Get the state of the database pool',
    description: 'Tells whether the server and its database answer, and how many database connections are open and idle. Ask it when other tools report that the database is not available.',
    effect: 'read',
    input: Type.Object({}),
    output: Type.Object({
      server: Type.String(),
      database: Type.Object({
        status: Type.Enum(['healthy', 'unhealthy']),
        size: Type.Integer({ description: 'Open connections' }),
        idle: Type.Integer({ description: 'Open connections that nobody uses' }),
        min_size: Type.Integer(),
        max_size: Type.Integer()
      })
    }),
    async handler () {
      return { server: 'healthy', database: await db.status() }
    }
  })
}

export default getPoolStatus
