import { readdirSync } from 'node:fs'
import Fastify, { type FastifyInstance, type FastifyPluginAsync, type FastifyServerOptions } from 'fastify'
import fp from 'fastify-plugin'
import type { Test } from 'tap'
import app from '../../src/app.ts'
import type { Environment } from '../../config/variables.ts'
import { allowing } from './allowlist.ts'
import { placeholders } from './placeholders.ts'
import { databaseEnv, emptyDatabase, migratedDatabase, serverUrl } from './postgres.ts'

const toolNames = readdirSync('tools').filter((file) => file.endsWith('.ts')).map((file) => file.replace('.ts', '').replaceAll('-', '_'))

export interface BuildOptions {
  env?: Environment
  /** Options of the Fastify server. */
  server?: FastifyServerOptions
  /** Registered after the app, before it is ready: more tools, say. */
  extra?: FastifyPluginAsync
  /** Gets each line of the log. */
  onLog?: (line: Record<string, unknown>) => void
}

/**
 * The whole server, hermetic: its configuration is `env` alone, its database its own, used with the rights of production;
 * the test's own work, which blocks its loop, is no overload. Every tool of `tools/` may be called, as often as one likes,
 * and has a placeholder for each setting that it requires, unless `env` says otherwise.
 */
export async function buildApp (t: Test, { env = {}, server = {}, extra, onLog }: BuildOptions = {}): Promise<FastifyInstance> {
  const url = env.DATABASE_URL ?? await migratedDatabase(t)
  const fastify = Fastify({ ...server, logger: onLog === undefined ? process.env.TEST_LOG_LEVEL !== undefined : { stream: { write: (line: string) => { onLog(JSON.parse(line)) } } }, pluginTimeout: 60_000, forceCloseConnections: true })
  t.teardown(async () => { await fastify.close() })
  await fastify.register(fp(app), { env: { ...await placeholders(async () => serverUrl(await emptyDatabase(t))), LOG_LEVEL: onLog === undefined ? process.env.TEST_LOG_LEVEL ?? 'silent' : 'info', DB_POOL_MIN: '1', DB_POOL_MAX: '4', SHED_EVENT_LOOP_MS: '0', RATE_LIMIT_PER_MINUTE: '0', ATTEMPT_LIMIT_PER_MINUTE: '0', ALLOWLIST_PATH: allowing(t, ...toolNames), ...env, ...databaseEnv(url) } })
  if (extra !== undefined) await fastify.register(fp(extra))
  await fastify.ready()
  return fastify
}
