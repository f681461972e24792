import Fastify from 'fastify'
import portcullis from 'portcullis'

const server = Fastify({ logger: true, pluginTimeout: 30_000 })
server.get('/', () => ({ hello: 'from a server of your own' }))
await server.register(portcullis, { prefix: '/agents' })
await server.listen({ port: 3000 })
