import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { createExtensions, type Extensions } from '../src/mcp/extensions.ts'
import { limitsFrom } from '../src/limits/from-config.ts'
import { createRegistry, type Registry } from '../src/mcp/registry.ts'

declare module 'fastify' {
  interface FastifyInstance {
    tools: Registry
    /** Prompts, resources and list changes; for plugins that add more than tools. */
    mcp: Extensions
  }
}

/** `tools` and `mcp`: collect what plugins add while they load; closed for good once the server is ready. */
const tools: FastifyPluginAsync = async (fastify) => {
  const registry = createRegistry(fastify.allowlist, fastify.settings, limitsFrom(fastify.config))
  const extensions = createExtensions()
  fastify.decorate('tools', registry)
  fastify.decorate('mcp', extensions)
  fastify.addHook('onReady', async () => {
    registry.seal()
    extensions.seal()
  })
}

export default fp(tools, { name: 'tools', fastify: '5.x', dependencies: ['env', 'allowlist'], decorators: { fastify: ['settings', 'allowlist'] } })
