import Fastify from 'fastify'
import fp from 'fastify-plugin'
import app from '../../src/app.ts'
import { serverOptions } from '../../src/server-options.ts'
import { placeholders } from '../../test/helpers/placeholders.ts'
import tools from '../tools.ts'
import { serve } from './serve.ts'

export interface PortcullisOptions {
  databaseUrl: string
  allowlist: string
  generatedTools: number
  env?: Record<string, string>
}

/** Counted, and never reached. */
const limits = { RATE_LIMIT_PER_MINUTE: '1000000', ATTEMPT_LIMIT_PER_MINUTE: '1000000' }

/** The server as it ships, with the benchmark's tools and limits that nobody reaches. */
serve(async ({ databaseUrl, allowlist, generatedTools, env }: PortcullisOptions) => {
  const fastify = Fastify(serverOptions)
  await fastify.register(fp(app), { env: { ...await placeholders(async () => databaseUrl), DATABASE_URL: databaseUrl, ALLOWLIST_PATH: allowlist, ...limits, ...env } })
  await fastify.register(tools, { generated: generatedTools })
  return fastify
})
