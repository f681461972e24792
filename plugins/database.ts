import fastifyPostgres from '@fastify/postgres'
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import pg from 'pg'
import type { Env } from '../config/env.ts'
import { boundEnd } from '../src/bounded-end.ts'
import { createLender, type DatabaseStatus, type Lease } from '../src/database.ts'
import { migrate, pendingMigrations } from '../src/migrate.ts'
import { databaseSettings, databaseVariable } from '../src/named-database.ts'
import { poolOptions, untilAnswering, warm, watch, type DatabaseAddress } from '../src/pool.ts'
import { createProbe } from '../src/probe.ts'
import { seedIfEmpty } from '../src/seed.ts'

declare module 'fastify' {
  interface FastifyInstance {
    db: {
      /** A connection for one call, taken at its first statement; to the server's database, or to one that a tool names. */
      lend: (database?: string) => Lease
      /** A few connections beside the pool of calls, for what must not wait behind them; closed with the server. */
      beside: (purpose: string, connections: number) => pg.Pool
      /** Whether the database answers, asked on a connection of its own; never rejects. */
      probe: () => Promise<boolean>
      status: () => Promise<DatabaseStatus>
    }
  }
}

type Closers = Array<() => Promise<void>>

const waitMs = 20_000
const minWaiting = 64
const embeddedRows = 10_000

/** `db` over the pool of @fastify/postgres (`pg`), and over a pool for every other database that a tool names. */
const database: FastifyPluginAsync = async (fastify) => {
  const { config } = fastify
  const url = config.DATABASE_URL ?? await embedded(fastify)
  const address = { variable: 'DATABASE_URL', url }
  await untilAnswering(address, bootBudgetMs(fastify), fastify.log)
  await bringUpToDate(fastify, url)
  fastify.decorate('pg', {} as FastifyInstance['pg']) // filled by the next line; a server around this one may have a pool of its own
  await fastify.register(fastifyPostgres, poolOptions(config, url))
  const { pool } = fastify.pg
  boundEnd(pool, endMs(config))
  const closers: Closers = []
  const lend = await opened(fastify, pool, address, closers)
  fastify.pressure.watch({ name: 'database pool', isPressing: () => pool.waitingCount >= maxWaiting(config) })

  const probe = createProbe(url)
  fastify.addHook('onClose', async () => { await Promise.all([probe.close(), ...closers.map(async (close) => { await close() })]) })

  fastify.decorate('db', {
    lend: withNamedDatabases(fastify, lend, closers),
    beside: (purpose, connections) => beside(fastify, url, purpose, connections, closers),
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

/** Waits, warms and watches; what it opens besides the pool is closed with `onClose`. */
async function opened (fastify: FastifyInstance, pool: pg.Pool, { variable, url }: DatabaseAddress, onClose: Closers): Promise<() => Lease> {
  const { DB_POOL_MIN: min } = fastify.config
  watch(pool, fastify.log)
  await warm(pool, min, variable)
  const control = beside(fastify, url, 'control', 2, onClose)
  const cancel = (pid: number): void => {
    control.query('select pg_cancel_backend($1)', [pid]).catch((error) => { fastify.log.warn({ code: error.code }, 'a statement could not be cancelled; it runs until its timeout') })
  }
  return createLender(pool, { maxWaiting: maxWaiting(fastify.config), cancel })
}

function beside (fastify: FastifyInstance, url: string, purpose: string, connections: number, onClose: Closers): pg.Pool {
  const pool = new pg.Pool({ connectionString: url, max: connections, connectionTimeoutMillis: 5_000, application_name: `${fastify.config.SERVICE_NAME}-${purpose}` })
  watch(pool, fastify.log)
  boundEnd(pool, endMs(fastify.config))
  onClose.push(async () => { await pool.end() })
  return pool
}

/** Opens the other databases once every tool is known. */
function withNamedDatabases (fastify: FastifyInstance, lend: () => Lease, closers: Closers): (database?: string) => Lease {
  const lenders = new Map<string, () => Lease>()

  fastify.addHook('onReady', async () => {
    const readers = new Map(fastify.tools.list().flatMap(({ name, database }) => database === undefined ? [] : [[database, name]]))
    await Promise.all([...readers].map(async ([name, tool]) => {
      const variable = databaseVariable(name)
      const url = fastify.settings.read(`tool "${tool}"`, databaseSettings(name))[variable] as string // which has declared it
      await untilAnswering({ variable, url }, bootBudgetMs(fastify), fastify.log)
      const pool = new pg.Pool(poolOptions(fastify.config, url))
      boundEnd(pool, endMs(fastify.config))
      closers.push(async () => { await pool.end() })
      lenders.set(name, await opened(fastify, pool, { variable, url }, closers))
    }))
  })

  return (database) => database === undefined ? lend() : (lenders.get(database) as () => Lease)()
}

/** Pools end after everything else, in two rounds: those that are closed with `onClose`, then the first one. */
function endMs ({ SHUTDOWN_GRACE_MS: graceMs }: Pick<Env, 'SHUTDOWN_GRACE_MS'>): number {
  return graceMs * 0.04
}

function maxWaiting ({ DB_POOL_MAX: max }: Pick<Env, 'DB_POOL_MAX'>): number {
  return Math.max(minWaiting, 4 * max)
}

function bootBudgetMs (fastify: FastifyInstance): number {
  return Math.max(1_000, Math.min(waitMs, (fastify.initialConfig.pluginTimeout ?? 10_000) - 3_000))
}

async function embedded (fastify: FastifyInstance): Promise<string> {
  const { startEmbeddedPostgres } = await import('../src/embedded-postgres/index.ts')
  const postgres = await startEmbeddedPostgres()
  fastify.addHook('onClose', async () => { await postgres.stop() })
  const url = await postgres.database('portcullis')
  fastify.log.info({ port: postgres.port, folder: postgres.folder }, 'DATABASE_URL is not set: running an embedded PostgreSQL on 127.0.0.1, for development only')
  return url
}

/** Development migrates by itself; in production a release step does (`db:migrate`), and the server says when it was forgotten. */
async function bringUpToDate (fastify: FastifyInstance, url: string): Promise<void> {
  const { config } = fastify
  if (config.PORTCULLIS_ENV === 'production') {
    const pending = await pendingMigrations(url)
    if (pending > 0) fastify.log.error({ pending }, 'the database lacks migrations; run "npm run db:migrate" or "node dist/src/cli.js migrate"')
    return
  }
  const { from, to, applied } = await migrate(config.MIGRATION_DATABASE_URL ?? url)
  if (applied.length > 0) fastify.log.info({ from, to, applied }, 'database migrated')
  if (config.DATABASE_URL !== undefined) return
  const added = await seedIfEmpty(url, embeddedRows)
  if (added > 0) fastify.log.info({ rows: added }, 'sample records added')
}

export default fp(database, { name: 'database', fastify: '5.x', dependencies: ['env', 'backpressure'], decorators: { fastify: ['config', 'settings', 'pressure'] } })
