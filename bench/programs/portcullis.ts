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
}

/** The server as it ships, with its default settings and the benchmark's tools. */
serve(async ({ databaseUrl, allowlist, generatedTools }: PortcullisOptions) => {
  const fastify = Fastify(serverOptions)
  await fastify.register(fp(app), { env: { ...await placeholders(async () => databaseUrl), DATABASE_URL: databaseUrl, ALLOWLIST_PATH: allowlist } })
  await fastify.register(tools, { generated: generatedTools })
  return fastify
})
