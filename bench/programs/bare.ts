import Fastify from 'fastify'
import { Type } from 'typebox'
import { toolsCallReply, toolsCallResult, type ToolsCall } from './reply.ts'
import { serve } from './serve.ts'

/** The baseline: one Fastify route that answers what the echo tool answers, with nothing around it. */
serve(async () => {
  const app = Fastify()
  app.post('/mcp', { schema: { response: toolsCallReply(Type.Object({ text: Type.String() })) } }, async ({ body }) => {
    const { id, params } = body as ToolsCall<{ text: string }>
    return toolsCallResult(id, { text: params.arguments.text })
  })
  return app
})
