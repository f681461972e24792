import { join } from 'node:path'
import type { FastifyInstance, FastifyPluginAsync, FastifyServerOptions } from 'fastify'
import allowlist from '../plugins/allowlist.ts'
import authentication from '../plugins/authentication.ts'
import backpressure from '../plugins/backpressure.ts'
import browsers from '../plugins/browsers.ts'
import database from '../plugins/database.ts'
import env, { type EnvOptions } from '../plugins/env.ts'
import fallbacks from '../plugins/fallbacks.ts'
import health from '../plugins/health.ts'
import listener from '../plugins/listener.ts'
import limits from '../plugins/limits.ts'
import mcp from '../plugins/mcp.ts'
import oauth from '../plugins/oauth.ts'
import pipeline from '../plugins/pipeline.ts'
import protectedResource from '../plugins/protected-resource.ts'
import toolFiles from '../plugins/tool-files.ts'
import telemetry from '../plugins/telemetry.ts'
import tools from '../plugins/tools.ts'
import { serverOptions } from './server-options.ts'

/** What fastify-cli gives the server with `-o` or `-c ./fastify.config.cjs`. */
export const options: FastifyServerOptions & { skipOverride: boolean } = { ...serverOptions, skipOverride: true }

export interface AppOptions extends EnvOptions {
  /** Takes the place of the database: for loading the server without one (`plugins/no-database.ts`). */
  database?: FastifyPluginAsync
}

/** The whole server. The order below is behaviour: hooks run in it. */
export default async function app (fastify: FastifyInstance, { env: environment, database: db = database }: AppOptions): Promise<void> {
  await fastify.register(env, { env: environment })
  await fastify.register(telemetry) // before whatever answers: all of it is traced and counted
  await fastify.register(listener) // closes idle sockets as soon as the server starts to close
  await fastify.register(fallbacks) // routes take the error handler that is there when they are registered
  await fastify.register(browsers) // before whatever refuses: a page can read a refusal too
  await fastify.register(backpressure)
  await fastify.register(db)
  await fastify.register(oauth)
  await fastify.register(authentication)
  await fastify.register(allowlist)
  await fastify.register(limits)
  await fastify.register(tools) // the registry
  await fastify.register(pipeline) // callTool
  // plugins of packages and your own go here: docs/add-a-plugin.md
  await fastify.register(toolFiles, { dir: join(import.meta.dirname, '../tools') })
  await fastify.register(health)
  await fastify.register(protectedResource)
  await fastify.register(mcp)
}
