import fastifyPostgres from '@fastify/postgres'
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import pg from 'pg'
import type { Env } from '../config/env.ts'
import { boundEnd } from '../src/bounded-end.ts'
import { tooMighty } from '../src/db/foreign-role.ts'
import type { Borrower, Lease } from '../src/db/lease.ts'
import { createDbTelemetry } from '../src/db/telemetry.ts'
import { watchPool } from '../src/db/pool-metrics.ts'
import { maxWaiting, openDatabase, type OpenDatabase, type PoolStats } from '../src/db/open.ts'
import { ForeignRoleRefused, oneLine } from '../src/errors.ts'
import type { CompiledTool } from '../src/mcp/registry.ts'
import { migrate, pendingMigrations } from '../src/migrate.ts'
import { databaseSettings, databaseVariable } from '../src/named-database.ts'
import { poolOptions, untilAnswering, watch, type DatabaseAddress } from '../src/pool.ts'
import { createProbe } from '../src/probe.ts'
import { checkRole } from '../src/role-check.ts'
import { seedIfEmpty } from '../src/seed.ts'
import { prepareServerRole, roleOf } from '../src/server-role.ts'

declare module 'fastify' {
  interface FastifyInstance {
    db: {
      /** A connection for one call of a tool, taken at its first statement: to the server's database, its read replica, or the one that the tool names. */
      lend: (tool: CompiledTool, call: Pick<Borrower, 'tenant' | 'deadline'>) => Lease
      /** A few connections beside the pool of calls, for what must not wait behind them; closed with the server. */
      beside: (purpose: string, connections: number) => pg.Pool
      /** Whether the database answers, asked on a connection of its own; never rejects. */
      probe: () => Promise<boolean>
      status: () => Promise<DatabaseStatus>
    }
  }
}

/** What the pool looks like and whether the database answers. */
export interface DatabaseStatus extends PoolStats { status: 'healthy' | 'unhealthy' }

type Closers = Array<() => Promise<void>>

const waitMs = 20_000
const embeddedRows = 10_000
const controlConnections = 2
const controlMs = 1_000 // a connection that does not answer is closed

/** `db` over the pool of @fastify/postgres (`pg`), and over a pool for every other database that a tool names. */
const database: FastifyPluginAsync = async (fastify) => {
  const { config } = fastify
  const { url, ownerUrl } = config.DATABASE_URL === undefined ? await embedded(fastify) : { url: config.DATABASE_URL, ownerUrl: config.MIGRATION_DATABASE_URL ?? config.DATABASE_URL }
  const address = { variable: 'DATABASE_URL', url }
  await untilAnswering(address, bootBudgetMs(fastify), fastify.log)
  await bringUpToDate(fastify, url, ownerUrl)
  fastify.decorate('pg', {} as FastifyInstance['pg']) // filled by the next line; a server around this one may have a pool of its own
  await fastify.register(fastifyPostgres, poolOptions(config, url, await setsDefaults(fastify, address)))
  const { pool } = fastify.pg
  const databases = new Map<string, OpenDatabase>()
  boundEnd(pool, endMs(config))
  const closers: Closers = []
  const open = async (name: string, opening: pg.Pool, address: DatabaseAddress, directUrl: string): Promise<void> => {
    const database = await openDatabase(opening, address, beside(fastify, directUrl, 'control', controlConnections, closers, { query_timeout: controlMs }), { env: config, log: fastify.log, telemetry: createDbTelemetry(fastify, name, address.url) })
    watchPool(fastify.observe, fastify.metrics, name, database.stats)
    closers.push(async () => { database.close() })
    databases.set(name, database)
  }
  const openAnother = async (name: string, address: DatabaseAddress): Promise<void> => {
    await untilAnswering(address, bootBudgetMs(fastify), fastify.log)
    const another = new pg.Pool(poolOptions(config, address.url, await setsDefaults(fastify, address)))
    boundEnd(another, endMs(config))
    closers.push(async () => { await another.end() })
    await open(name, another, address, address.url)
  }
  await open('primary', pool, address, config.DATABASE_DIRECT_URL ?? url)
  fastify.pg.connect = pool.connect.bind(pool) // the plugin has bound the one that a handler is not refused
  if (config.DATABASE_READ_URL !== undefined) await openAnother('read', { variable: 'DATABASE_READ_URL', url: config.DATABASE_READ_URL })
  fastify.pressure.watch({ name: 'database pool', isPressing: () => pool.waitingCount >= maxWaiting(config) })

  const probe = createProbe(url)
  fastify.addHook('onClose', async () => { await Promise.all([probe.close(), ...closers.map(async (close) => { await close() })]) })

  const databaseOf = ({ database, effect }: Pick<CompiledTool, 'database' | 'effect'>): OpenDatabase =>
    databases.get(database ?? (effect === 'read' && databases.has('read') ? 'read' : 'primary')) as OpenDatabase
  const primary = databases.get('primary') as OpenDatabase

  fastify.decorate('db', {
    lend: (tool, call) => databaseOf(tool).lend({ tool: tool.name, effect: tool.effect, foreignSql: tool.foreignSql, ...call }),
    beside: (purpose, connections) => beside(fastify, config.DATABASE_DIRECT_URL ?? url, purpose, connections, closers),
    probe: probe.ask,
    status: async () => ({ status: await probe.ask() ? 'healthy' : 'unhealthy', ...primary.stats() }),
  } satisfies FastifyInstance['db'])

  fastify.addHook('onReady', async () => { // when every tool is known
    const tools = fastify.tools.list()
    const readers = new Map(tools.flatMap(({ name, database }) => database === undefined ? [] : [[database, name]]))
    await Promise.all([...readers].map(async ([name, tool]) => {
      const variable = databaseVariable(name)
      const { [variable]: url } = fastify.settings.read(`tool "${tool}"`, databaseSettings(name)) // which has declared it
      await openAnother(name, { variable, url: url as string })
    }))
    for (const tool of tools) {
      const fault = tool.foreignSql === true ? await tooMighty(databaseOf(tool).pool) : undefined
      if (fault !== undefined) throw oneLine(new ForeignRoleRefused(tool.name, tool.database === undefined ? 'DATABASE_URL' : databaseVariable(tool.database), fault))
    }
  })
}

function beside (fastify: FastifyInstance, url: string, purpose: string, connections: number, onClose: Closers, options: pg.PoolConfig = {}): pg.Pool {
  const pool = new pg.Pool({ ...options, connectionString: url, max: connections, connectionTimeoutMillis: 5_000, application_name: `${fastify.config.SERVICE_NAME}-${purpose}` })
  watch(pool, fastify.log)
  boundEnd(pool, endMs(fastify.config))
  onClose.push(async () => { await pool.end() })
  return pool
}

/** Pools end after everything else, in two rounds: those that are closed with `onClose`, then the first one. */
function endMs ({ SHUTDOWN_GRACE_MS: graceMs }: Pick<Env, 'SHUTDOWN_GRACE_MS'>): number {
  return graceMs * 0.04
}

function bootBudgetMs (fastify: FastifyInstance): number {
  return Math.max(1_000, Math.min(waitMs, (fastify.initialConfig.pluginTimeout ?? 10_000) - 3_000))
}

async function setsDefaults ({ config, log }: FastifyInstance, address: DatabaseAddress): Promise<boolean> {
  return await checkRole(address, { isProduction: config.PORTCULLIS_ENV === 'production', callTimeoutMs: config.CALL_TIMEOUT_MS, log })
}

async function embedded (fastify: FastifyInstance): Promise<{ url: string, ownerUrl: string }> {
  const { startEmbeddedPostgres } = await import('../src/embedded-postgres/index.ts')
  const postgres = await startEmbeddedPostgres()
  fastify.addHook('onClose', async () => { await postgres.stop() })
  const ownerUrl = await postgres.database('portcullis')
  const url = await postgres.server('portcullis', fastify.config.CALL_TIMEOUT_MS)
  fastify.log.info({ port: postgres.port, folder: postgres.folder }, 'DATABASE_URL is not set: running an embedded PostgreSQL on 127.0.0.1, for development only')
  return { url, ownerUrl }
}

/** Development migrates by itself; in production a release step does (`db:migrate`), and the server says when it was forgotten. */
async function bringUpToDate ({ config, log }: FastifyInstance, url: string, ownerUrl: string): Promise<void> {
  if (config.PORTCULLIS_ENV === 'production') {
    const pending = await pendingMigrations(url)
    if (pending > 0) log.error({ pending }, 'the database lacks migrations; run "npm run db:migrate" or "node dist/src/cli.js migrate"')
    return
  }
  const { from, to, applied, warnings } = await migrate(ownerUrl)
  if (applied.length > 0) log.info({ from, to, applied }, 'database migrated')
  for (const warning of warnings) log.warn(warning)
  if (roleOf(url) !== roleOf(ownerUrl)) await prepareServerRole(ownerUrl, roleOf(url), config.CALL_TIMEOUT_MS).catch((error) => { log.warn(error.message) })
  if (config.DATABASE_URL !== undefined) return
  const added = await seedIfEmpty(ownerUrl, embeddedRows)
  if (added > 0) log.info({ rows: added }, 'sample records added')
}

export default fp(database, { name: 'database', fastify: '5.x', dependencies: ['env', 'telemetry', 'backpressure'], decorators: { fastify: ['config', 'settings', 'metrics', 'observe', 'tracer', 'pressure'] } })
