import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'

/** Stands in for `db` where the server is loaded to be looked at and answers nobody, as `npm run docs` does; it can do nothing. */
const noDatabase: FastifyPluginAsync = async (fastify) => { fastify.decorate('db', {} as FastifyInstance['db']) }

export default fp(noDatabase, { name: 'database', fastify: '5.x', dependencies: ['env'] })
