import { setTimeout as delay } from 'node:timers/promises'
import fastifyPostgres from '@fastify/postgres'
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import pg from 'pg'
import { createLender, type DatabaseStatus, type Lease } from '../src/database.ts'
import { DatabasePoolRefused, DatabaseRefused, DatabaseUnreachable, oneLine } from '../src/errors.ts'
import { migrate, pendingMigrations } from '../src/migrate.ts'
import { createProbe } from '../src/probe.ts'
import { parseJsonb } from '../src/jsonb.ts'
import { seedIfEmpty } from '../src/seed.ts'

declare module 'fastify' {
  interface FastifyInstance {
    db: {
      /** A connection for one call, taken at its first statement. */
      lend: () => Lease
      /** Whether the database answers, asked on a connection of its own; never rejects. */
      probe: () => Promise<boolean>
      status: () => Promise<DatabaseStatus>
    }
  }
}

const waitMs = 20_000
const minWaiting = 64
const embeddedRows = 10_000

/** `db` over the pool of @fastify/postgres (`pg`): opened, warmed and watched. */
const database: FastifyPluginAsync = async (fastify) => {
  const { config } = fastify
  const url = config.DATABASE_URL ?? await embedded(fastify)
  await untilAnswering(fastify, url)
  await bringUpToDate(fastify, url)

  fastify.decorate('pg', {} as FastifyInstance['pg']) // filled by the next line; a server around this one may have a pool of its own
  await fastify.register(fastifyPostgres, {
    connectionString: url,
    application_name: config.SERVICE_NAME,
    min: config.DB_POOL_MIN,
    max: config.DB_POOL_MAX,
    connectionTimeoutMillis: config.DB_ACQUIRE_TIMEOUT_MS,
    idleTimeoutMillis: 30_000,
    types: { getTypeParser: typeParser as typeof pg.types.getTypeParser },
    // Tools read. Roles that carry these defaults will come with writes; until then each connection sets them.
    onConnect: async (client) => { await client.query(`set default_transaction_read_only = on; set statement_timeout = ${config.CALL_TIMEOUT_MS}; set timezone = 'UTC'`) }
  })
  const { pool } = fastify.pg
  // An idle client that breaks reports to the pool, a checked-out one to itself; unheard, either ends the process.
  const onLost = (error: Error): void => { fastify.log[pool.ending ? 'debug' : 'warn']({ code: (error as { code?: string }).code ?? error.name }, 'database connection lost') }
  pool.on('error', onLost)
  pool.on('connect', (client) => { client.on('error', onLost) })
  await warm(pool, config.DB_POOL_MIN)

  const probe = createProbe(url)
  fastify.addHook('onClose', async () => { await probe.close() })

  fastify.decorate('db', {
    lend: createLender(pool, Math.max(minWaiting, 4 * config.DB_POOL_MAX)),
    probe: probe.ask,
    status: async () => ({
      status: await probe.ask() ? 'healthy' : 'unhealthy',
      size: pool.totalCount,
      idle: pool.idleCount,
      min_size: config.DB_POOL_MIN,
      max_size: config.DB_POOL_MAX
    })
  } satisfies FastifyInstance['db'])
}

async function embedded (fastify: FastifyInstance): Promise<string> {
  const { startEmbeddedPostgres } = await import('../src/embedded-postgres/index.ts')
  const postgres = await startEmbeddedPostgres()
  fastify.addHook('onClose', async () => { await postgres.stop() })
  const url = await postgres.database('portcullis')
  fastify.log.info({ port: postgres.port, folder: postgres.folder }, 'DATABASE_URL is not set: running an embedded PostgreSQL on 127.0.0.1, for development only')
  return url
}

/** Waits for a database that is not there yet; a wrong password or database name is reported at once. */
async function untilAnswering (fastify: FastifyInstance, connectionString: string): Promise<void> {
  const budgetMs = Math.max(1_000, Math.min(waitMs, (fastify.initialConfig.pluginTimeout ?? 10_000) - 3_000))
  const deadline = Date.now() + budgetMs
  for (let pauseMs = 100; ; pauseMs = Math.min(pauseMs * 2, 2_000)) {
    try {
      const client = new pg.Client({ connectionString, connectionTimeoutMillis: Math.max(100, deadline - Date.now()) })
      client.on('error', () => {}) // reported by connect
      await client.connect()
      await client.end()
      return
    } catch (error) {
      const code = codeOf(error)
      if (!mayComeYet.test(code)) throw oneLine(new DatabaseRefused(code))
      if (Date.now() + pauseMs >= deadline) throw oneLine(new DatabaseUnreachable(String(Math.round(budgetMs / 1000)), code))
      fastify.log.warn({ code, retryInMs: pauseMs }, 'waiting for the database of DATABASE_URL')
    }
    await delay(pauseMs)
  }
}

/** Not listening, not resolvable, not ready, full, or silent; everything else waiting won't mend. */
const mayComeYet = /^(E[A-Z_]+|57P03|53300|08\w{3})$|timeout|terminated/

function codeOf (error: unknown): string {
  const { code, message, errors } = error as { code?: string, message: string, errors?: Array<{ code?: string }> }
  return code ?? errors?.[0]?.code ?? message // the driver's own refusals have a text instead of a code, without secrets
}

/** Development migrates by itself; in production a release step does (`db:migrate`), and the server says when it was forgotten. */
async function bringUpToDate (fastify: FastifyInstance, url: string): Promise<void> {
  const { config } = fastify
  if (config.PORTCULLIS_ENV === 'production') {
    const pending = await pendingMigrations(url)
    if (pending > 0) fastify.log.error({ pending }, 'the database lacks migrations; run "npm run db:migrate" or "node dist/src/cli.js migrate"')
    return
  }
  const { from, to } = await migrate(config.MIGRATION_DATABASE_URL ?? url)
  if (to > from) fastify.log.info({ from, to }, 'database migrated')
  if (config.DATABASE_URL !== undefined) return
  const added = await seedIfEmpty(url, embeddedRows)
  if (added > 0) fastify.log.info({ rows: added }, 'sample records added')
}

async function warm (pool: pg.Pool, connections: number): Promise<void> {
  const opened = await Promise.allSettled(Array.from({ length: connections }, async () => await pool.connect()))
  for (const result of opened) if (result.status === 'fulfilled') result.value.release()
  const failed = opened.find((result) => result.status === 'rejected')
  if (failed !== undefined) throw oneLine(new DatabasePoolRefused(String(connections), codeOf(failed.reason)))
}

function typeParser (oid: number, format?: 'text' | 'binary'): unknown {
  return oid === pg.types.builtins.JSON || oid === pg.types.builtins.JSONB ? parseJsonb : pg.types.getTypeParser(oid, format as 'text')
}

export default fp(database, { name: 'database', fastify: '5.x', dependencies: ['env'], decorators: { fastify: ['config'] } })
