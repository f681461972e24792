import pg from 'pg'
import type { Test } from 'tap'
import type { Borrower, Lease } from '../../src/db/lease.ts'
import { openDatabase, type OpenDatabase } from '../../src/db/open.ts'
import { createDbTelemetry } from '../../src/db/telemetry.ts'
import { createMetrics } from '../../src/metrics.ts'
import { poolOptions } from '../../src/pool.ts'
import { runSql } from './postgres.ts'

/** Telemetry that nobody collects. */
export const untold = createDbTelemetry({ metrics: createMetrics() }, 'test')

export interface TestLender extends Omit<OpenDatabase, 'lend'> {
  /** Ten seconds for a tool that reads, unless the test says otherwise. */
  lend: (parts?: Partial<Borrower>) => Lease
  log: Array<Record<string, unknown>>
}

interface Options { max?: number, timeoutMs?: number, directUrl?: string, isPreparing?: boolean, pool?: pg.PoolConfig }

/** A small pool that lends connections as the server's does; closed with the test. */
export async function lenderOn (t: Test, url: string, { max = 2, timeoutMs = 10_000, directUrl = url, isPreparing = true, pool: poolParts }: Options = {}): Promise<TestLender> {
  const log: TestLender['log'] = []
  const add = (fields: Record<string, unknown>): void => { log.push(fields) }
  const env = { SERVICE_NAME: 'test', DB_POOL_MIN: 0, DB_POOL_MAX: max, DB_ACQUIRE_TIMEOUT_MS: timeoutMs, CALL_TIMEOUT_MS: 60_000, DB_PREPARED_STATEMENTS: isPreparing }
  const pool = new pg.Pool({ ...poolOptions(env, url, true), ...poolParts })
  const control = new pg.Pool({ connectionString: directUrl, max: 2 })
  control.on('error', add as never)
  const database = await openDatabase(pool, { variable: 'DATABASE_URL', url }, control, { env, log: { warn: add, error: add, info: add, debug: add } as never, telemetry: untold })
  t.teardown(async () => {
    database.close()
    await Promise.all([pool.end(), control.end()])
  })
  return { ...database, log, lend: (parts = {}) => database.lend({ tool: 'a_tool', effect: 'read', deadline: Date.now() + 10_000, ...parts }) }
}

/** Waits until the server runs a statement that contains the text. @returns its process id */
export async function untilActive (url: string, text: string): Promise<number> {
  return await untilSeen(url, `state = 'active' and query like '%${text}%'`)
}

/** Waits until a backend is in that state. @returns its process id */
export async function untilSeen (url: string, condition: string): Promise<number> {
  for (const deadline = Date.now() + 10_000; Date.now() < deadline;) {
    const [result] = await runSql(url, `select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and ${condition}`)
    if (result?.rows[0] !== undefined) return result.rows[0].pid
  }
  throw new Error(`no backend came to be where ${condition}`)
}
