import Fastify, { type FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import app from '../../src/app.ts'
import { serverOptions } from '../../src/server-options.ts'
import { placeholders } from '../../test/helpers/placeholders.ts'

/** The whole server with the options it is started with; its log goes to `write`. It refuses nothing for overload. */
export async function createTarget (databaseUrl: string, write: (line: string) => void = () => {}): Promise<FastifyInstance> {
  const fastify = Fastify({ ...serverOptions, logger: { level: 'info', stream: { write } }, forceCloseConnections: true })
  await fastify.register(fp(app), { env: { ...await placeholders(async () => databaseUrl), LOG_LEVEL: 'debug', DB_POOL_MIN: '1', DB_POOL_MAX: '4', SHED_EVENT_LOOP_MS: '0', RATE_LIMIT_PER_MINUTE: '0', ATTEMPT_LIMIT_PER_MINUTE: '0', DATABASE_URL: databaseUrl } })
  return fastify
}
