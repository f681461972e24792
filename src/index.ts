import '../plugins/authentication.ts' // for the types of fastify.authenticate and request.principal
import '../plugins/backpressure.ts' // for that of fastify.pressure
import '../plugins/env.ts' // for those of fastify.config and fastify.settings
import '../plugins/tools.ts' // for those of fastify.tools and fastify.mcp

// The package as others see it: the server as a Fastify plugin, and the types of what their plugins meet in it.
export { default, options } from './app.ts'
export type { Db } from './db/lease.ts'
export type { Ask, InputRequest } from './mcp/ask.ts'
export type { Block, Blocks } from './mcp/blocks.ts'
export type { Answers, Call, Client, Json, Output, Principal, Tool, ToolAnnotations, ToolError, ToolErrorCode, ToolLimits } from './mcp/tool.ts'
export type { Sql } from './sql.ts'
