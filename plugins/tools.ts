import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { createRegistry, type Registry } from '../src/mcp/registry.ts'

declare module 'fastify' {
  interface FastifyInstance { tools: Registry }
}

/** `tools`: collects the tools while plugins load; closed for good once the server is ready. */
const tools: FastifyPluginAsync = async (fastify) => {
  const registry = createRegistry(fastify.allowlist)
  fastify.decorate('tools', registry)
  fastify.addHook('onReady', async () => { registry.seal() })
}

export default fp(tools, { name: 'tools', fastify: '5.x', dependencies: ['allowlist'], decorators: { fastify: ['allowlist'] } })
