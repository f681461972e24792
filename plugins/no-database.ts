import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'

/** Stands in for `db` where the server is loaded to be looked at and answers nobody, as `npm run docs` does. */
const noDatabase: FastifyPluginAsync = async (fastify) => {
  const refuse = (): never => { throw new Error('this server was loaded without a database') }
  fastify.decorate('db', { lend: refuse, get control () { return refuse() }, probe: async () => false, status: async () => refuse() } satisfies FastifyInstance['db'])
}

export default fp(noDatabase, { name: 'database', fastify: '5.x', dependencies: ['env'] })
