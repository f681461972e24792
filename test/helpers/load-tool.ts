import Fastify, { type FastifyPluginAsync } from 'fastify'
import type { Test } from 'tap'
import { createRegistry, type CompiledTool } from '../../src/mcp/registry.ts'

/** Registers a tool file on a bare Fastify and hands out what it added. */
export async function loadTool (t: Test, name: string, plugin: FastifyPluginAsync, decorators: Record<string, unknown> = {}): Promise<CompiledTool> {
  const app = Fastify()
  t.teardown(async () => { await app.close() })
  app.decorate('tools', createRegistry())
  for (const [key, value] of Object.entries(decorators)) app.decorate(key, value)
  await app.register(plugin)
  return app.tools.get(name) as CompiledTool
}

/** Checks the arguments as the pipeline does and runs the handler; throws the message of a refusal. */
export async function runTool (tool: CompiledTool, args: unknown, call: Parameters<CompiledTool['handler']>[1]): Promise<any> {
  const checked = tool.check(args)
  if (!checked.ok) throw new Error(checked.message)
  return await tool.handler(checked.args, call)
}
