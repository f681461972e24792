import type { FastifyBaseLogger } from 'fastify'
import pg from 'pg'
import type { Env } from '../../config/env.ts'
import { warm, watch, type DatabaseAddress } from '../pool.ts'
import { createBreaker } from './breaker.ts'
import { cancelByKey, cancelByPid, isPooled } from './canceller.ts'
import { createConnections } from './connections.ts'
import { createLender, type Borrower, type Lease } from './lease.ts'
import { createRetries } from './retries.ts'
import { createStatements } from './statements.ts'
import type { DbTelemetry } from './telemetry.ts'

/** A pool that lends connections to calls. */
export interface OpenDatabase {
  lend: (borrower: Borrower) => Lease
  pool: pg.Pool
  stats: () => PoolStats
  /** Stops asking for a database that is away; the pools are whoever's opened them. */
  close: () => void
}

/** What a pool looks like: for get_pool_status, /health and gauges. */
export interface PoolStats {
  size: number
  idle: number
  min_size: number
  max_size: number
  waiting: number
  acquire_wait_ms: number
  oldest_borrow_ms: number
}

type Settings = Pick<Env, 'SERVICE_NAME' | 'DB_POOL_MIN' | 'DB_POOL_MAX' | 'DB_ACQUIRE_TIMEOUT_MS' | 'DB_PREPARED_STATEMENTS'>

const probeTimeoutMs = 2_000
const minWaiting = 64

/** So many calls may wait for a connection of a pool. */
export function maxWaiting ({ DB_POOL_MAX: max }: Pick<Env, 'DB_POOL_MAX'>): number {
  return Math.max(minWaiting, 4 * max)
}

/**
 * Warms and watches a pool, with all that lending from it takes: a breaker, retries, and what the `control` pool is for,
 * which reaches the same server without a pooler between.
 * @throws DatabasePoolRefused
 */
export async function openDatabase (pool: pg.Pool, { variable, url }: DatabaseAddress, control: pg.Pool, { env, log, telemetry }: { env: Settings, log: FastifyBaseLogger, telemetry: DbTelemetry }): Promise<OpenDatabase> {
  watch(pool, log)
  await warm(pool, Math.max(1, env.DB_POOL_MIN), variable)
  const breaker = createBreaker({
    probe: async () => await answers(url),
    onOpen: () => { log.error({ variable }, 'the database can\'t be reached: calls that need it are refused until it can') },
    onClose: () => { log.info({ variable }, 'the database answers again') }
  })
  const onCancelFailed = (error: unknown): void => { log.warn({ variable, code: (error as { code?: string }).code }, 'a statement could not be cancelled; it runs until its timeout') }
  const cancel = await usesPooler(pool) ? cancelByKey(url, onCancelFailed) : cancelByPid(async (text, values) => await control.query(text, values), onCancelFailed)
  const connections = createConnections(pool, breaker, { maxWaiting: maxWaiting(env), timeoutMs: env.DB_ACQUIRE_TIMEOUT_MS, telemetry })

  return {
    pool,
    lend: createLender({
      connections,
      statements: createStatements({ isPreparing: env.DB_PREPARED_STATEMENTS }),
      retries: createRetries(),
      cancel,
      telemetry,
      askFate: async (xid) => (await control.query('select pg_xact_status($1::xid8) as fate', [xid])).rows[0].fate
    }),
    stats: () => {
      const { waiting, acquireWaitMs, oldestBorrowMs } = connections.stats()
      return { size: pool.totalCount, idle: pool.idleCount, min_size: env.DB_POOL_MIN, max_size: env.DB_POOL_MAX, waiting, acquire_wait_ms: acquireWaitMs, oldest_borrow_ms: oldestBorrowMs }
    },
    close: () => { breaker.stop() }
  }
}

async function usesPooler (pool: pg.Pool): Promise<boolean> {
  const client = await pool.connect()
  try {
    return await isPooled(client)
  } finally {
    client.release()
  }
}

/** On a connection of its own, which is closed again. */
async function answers (connectionString: string): Promise<boolean> {
  const client = new pg.Client({ connectionString, connectionTimeoutMillis: probeTimeoutMs, query_timeout: probeTimeoutMs })
  client.on('error', () => {})
  try {
    await client.connect()
    await client.query('select 1')
    return true
  } catch {
    return false
  } finally {
    client.end().catch(() => {})
  }
}
