import type pg from 'pg'
import { DatabaseUnavailable, LeaseEnded } from './errors.ts'
import type { Sql } from './sql.ts'

/** How a tool reads: one connection per call at most, lent by the pipeline. */
export interface Db {
  query: <T>(sql: Sql) => Promise<T[]>
  /** The first row, if there is one. */
  one: <T>(sql: Sql) => Promise<T | undefined>
  /** The first column of the first row, if there is one. */
  value: <T>(sql: Sql) => Promise<T | undefined>
  /** How many rows the statement changed. */
  execute: (sql: Sql) => Promise<number>
}

/** The connection of one call: taken from the pool at the first statement, given back or destroyed by `end`. */
export interface Lease {
  db: Db
  /** A connection whose statement is still running, or that was aborted, is destroyed instead of given back. */
  end: () => void
}

/** What the pool looks like and whether the database answers. */
export interface DatabaseStatus {
  status: 'healthy' | 'unhealthy'
  size: number
  idle: number
  min_size: number
  max_size: number
}

export interface LenderOptions {
  /** Calls that may wait for a connection; one more is told at once that the database is not available. */
  maxWaiting?: number
  /** Ends the statement of a backend: PostgreSQL does not notice that its client is gone. */
  cancel?: (backendPid: number) => void
}

type Rows = pg.QueryResult<pg.QueryResultRow>

/**
 * Lends a connection to each call that needs one.
 */
export function createLender (pool: pg.Pool, { maxWaiting = 1000, cancel }: LenderOptions = {}): () => Lease {
  return () => {
    let client: Promise<pg.PoolClient> | undefined
    let last: Promise<unknown> = Promise.resolve()
    let running = 0
    let hasEnded = false
    let isLost = false

    async function acquire (): Promise<pg.PoolClient> {
      if (pool.waitingCount >= maxWaiting) throw unavailable(new Error('too many calls wait for a connection'))
      try {
        return await pool.connect()
      } catch (cause) {
        throw unavailable(cause)
      }
    }

    async function execute (sql: Sql): Promise<Rows> {
      if (hasEnded) throw new LeaseEnded()
      client ??= acquire()
      const connection = await client
      if (hasEnded) throw new LeaseEnded()
      running++
      try {
        // the extended protocol takes one statement at a time; the simple one would run `select 1; commit; ...`
        return await connection.query({ text: sql.text, values: sql.values as unknown[], queryMode: 'extended' } as pg.QueryConfig)
      } catch (error) {
        if (!isConnectionLoss(error)) throw error
        isLost = true // the socket may close only after the error is read
        throw unavailable(error)
      } finally {
        running--
      }
    }

    /** Statements of one call run one after the other, however they were started. */
    function inTurn<T> (sql: Sql, read: (rows: Rows) => T): Promise<T> {
      const turn = last.then(async () => read(await execute(sql)))
      last = turn.catch(() => {}) // also keeps a failure that no tool awaits from ending the process
      return turn
    }

    const db: Db = {
      query: <T>(sql: Sql) => inTurn(sql, ({ rows }) => rows as T[]),
      one: <T>(sql: Sql) => inTurn(sql, ({ rows }) => rows[0] as T | undefined),
      value: <T>(sql: Sql) => inTurn(sql, ({ rows: [row] }) => row === undefined ? undefined : Object.values(row)[0] as T),
      execute: (sql) => inTurn(sql, ({ rowCount }) => rowCount ?? 0)
    }

    function end (): void {
      if (hasEnded) return
      hasEnded = true
      const isUnfit = running > 0 || isLost
      client?.then((connection) => {
        connection.release(isUnfit) // and so nobody else has the backend that is cancelled
        if (isUnfit) cancel?.((connection as unknown as { processID: number }).processID)
      }, () => {})
    }

    return { db, end }
  }
}

function unavailable (cause: unknown): Error {
  return Object.assign(new DatabaseUnavailable(), { cause })
}

const lossCodes = new Set(['57P01', '57P02', '57P03', 'ECONNRESET', 'ECONNREFUSED', 'EPIPE', 'ETIMEDOUT'])

/** The connection is gone, as opposed to a statement that failed on a live one. */
export function isConnectionLoss (error: unknown): boolean {
  const { code, message } = error as { code?: string, message?: string }
  if (code === undefined) return /^Connection terminated|connection .*(closed|ended)|not queryable/i.test(message ?? '')
  return lossCodes.has(code) || code.startsWith('08')
}
