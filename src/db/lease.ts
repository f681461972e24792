import type pg from 'pg'
import { DatabaseUnavailable, ForeignSqlRefused, LeaseEnded, NotAReadingStatement, TransactionControlRefused, TransactionFailed } from '../errors.ts'
import { ForeignSql, type Sql } from '../sql.ts'
import type { Cancel } from './canceller.ts'
import type { Connections } from './connections.ts'
import { isConnectionLoss, isStalePlan } from './losses.ts'
import type { Retries } from './retries.ts'
import { describe, type createStatements, type Statement } from './statements.ts'
import type { DbTelemetry } from './telemetry.ts'
import { beginning, commit, xidOf, type AskFate } from './transaction.ts'
import { untilAborted } from '../until-aborted.ts'
import { within } from '../within.ts'

/** How a tool reads and writes: one connection per call at most, lent by the pipeline. */
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
  /** Makes what a tool with effect 'write' did last. Never called by a tool. */
  commit: (signal?: AbortSignal) => Promise<void>
  /** Without `commit`: cancels, rolls back, and gives the connection back only when it is proved clean. Never rejects. */
  end: () => Promise<void>
  readonly spent: Spent
}

/** Milliseconds. */
export interface Spent { waitMs: number, queryMs: number, statements: number }

/** For whom a connection is lent. */
export interface Borrower {
  /** Named in errors. */
  tool: string
  effect: 'read' | 'write'
  /** The tool runs statements that it did not write: see `foreign` in src/sql.ts. */
  foreignSql?: boolean
  /** What row-level security sees as `current_setting('portcullis.tenant', true)`. */
  tenant?: string
  /** Epoch milliseconds. */
  deadline: number
}

export interface LenderParts {
  connections: Connections
  statements: ReturnType<typeof createStatements>
  retries: Retries
  cancel: Cancel
  askFate: AskFate
  telemetry: DbTelemetry
}

type Rows = pg.QueryResult<pg.QueryResultRow>
type Client = pg.PoolClient & { getTransactionStatus: () => 'I' | 'T' | 'E' | null }

const settleMs = 1_000
const queryCanceled = '57014'

/** Lends a connection to each call that needs one. */
export function createLender (parts: LenderParts): (borrower: Borrower) => Lease {
  return (borrower) => new CallLease(parts, borrower)
}

class CallLease implements Lease {
  readonly spent: Spent = { waitMs: 0, queryMs: 0, statements: 0 }
  readonly db: Db = {
    query: <T>(sql: Sql) => this.#inTurn(sql, ({ rows }) => rows as T[]),
    one: <T>(sql: Sql) => this.#inTurn(sql, ({ rows }) => rows[0] as T | undefined),
    value: <T>(sql: Sql) => this.#inTurn(sql, ({ rows: [row] }) => row === undefined ? undefined : Object.values(row)[0] as T),
    execute: (sql) => this.#inTurn(sql, ({ rowCount }) => rowCount ?? 0)
  }

  readonly #parts: LenderParts
  readonly #borrower: Borrower
  #taking: Promise<Client> | undefined
  #last: Promise<unknown> = Promise.resolve()
  #running: Promise<unknown> | undefined
  #xid: string | undefined
  #isOpen = false
  #isUnfit = false
  #hasTraces = false
  #hasEnded = false

  constructor (parts: LenderParts, borrower: Borrower) {
    this.#parts = parts
    this.#borrower = borrower
  }

  /** Statements of one call run one after the other, however they were started. */
  #inTurn<T> (sql: Sql, read: (rows: Rows) => T): Promise<T> {
    const turn = this.#last.then(async () => read(await this.#execute(sql)))
    this.#last = turn.catch(() => {}) // also keeps a failure that no tool awaits from ending the process
    return turn
  }

  async #execute (sql: Sql): Promise<Rows> {
    const { text } = sql
    const statement = sql instanceof ForeignSql ? describe(text) : this.#parts.statements(text, sql.isReplanned) // texts from elsewhere are without end
    this.#refuse(sql, statement)
    if (statement.leavesTraces) this.#hasTraces = true
    if (this.#borrower.effect === 'read') this.#parts.retries.count()
    for (let tries = 1; ; tries++) {
      try {
        return await this.#once(sql, text, statement)
      } catch (error) {
        if (this.#mayRetry(error, tries)) {
          this.#drop()
          await this.#parts.retries.pause(tries)
        } else throw isConnectionLoss(error) ? unavailable(error) : error
      }
    }
  }

  #refuse (sql: Sql, { isControl, reads }: Statement): void {
    const { tool, foreignSql } = this.#borrower
    if (this.#hasEnded) throw new LeaseEnded()
    if (isControl) throw new TransactionControlRefused(tool)
    if (!(sql instanceof ForeignSql)) return
    if (foreignSql !== true) throw new ForeignSqlRefused(tool)
    if (!reads) throw new NotAReadingStatement()
  }

  async #once (sql: Sql, text: string, { name, operation }: Statement): Promise<Rows> {
    if (this.#hasEnded) throw new LeaseEnded() // while it paused before another try
    const client = await this.#take()
    if (this.#hasEnded) throw new LeaseEnded()
    const opening = this.#open(client)
    const since = performance.now()
    const ended = this.#parts.telemetry.begin(operation, sql instanceof ForeignSql ? undefined : text)
    this.spent.statements++
    // the extended protocol takes one statement at a time; the simple one would run `select 1; commit; ...`
    const running = client.query({ name, text, values: sql.values as unknown[], queryMode: 'extended' } as pg.QueryConfig)
    const both = opening === undefined ? running : afterBoth(opening, running)
    this.#running = both
    try {
      const rows = await both
      ended()
      return rows
    } catch (error) {
      ended(error)
      if (isConnectionLoss(error) || isStalePlan(error)) this.#isUnfit = true // the socket may close only after the error is read
      this.#reopen(client)
      throw error
    } finally {
      this.#running = undefined
      this.spent.queryMs += performance.now() - since
    }
  }

  async #take (): Promise<Client> {
    if (this.#taking !== undefined) return await this.#taking
    const since = performance.now()
    this.#taking = this.#parts.connections.take(this.#borrower.deadline) as Promise<Client>
    try {
      return await this.#taking
    } finally {
      this.spent.waitMs += performance.now() - since
    }
  }

  /** In the same round trip as the first statement. Reads need no transaction unless row-level security or foreign SQL asks for one. */
  #open (client: Client): Promise<void> | undefined {
    const { effect, foreignSql, tenant } = this.#borrower
    const isWrite = effect === 'write'
    if (this.#isOpen || (!isWrite && tenant === undefined && foreignSql !== true)) return undefined
    this.#isOpen = true
    const opened = client.query(beginning({ isWrite, tenant }))
    return isWrite ? opened.then((results) => { this.#xid = xidOf(results) }, (error) => { throw this.#mayNotWrite(error) }) : opened.then(() => {})
  }

  /** A primary that became a standby, say: the next connection may lead to its successor. */
  #mayNotWrite (cause: unknown): Error {
    this.#isUnfit = true
    return unavailable(cause)
  }

  /** A statement that failed spoils the transaction of a read, which is there for its settings alone: the next one begins anew. */
  #reopen (client: Client): void {
    if (!this.#isOpen || this.#borrower.effect === 'write') return
    this.#isOpen = false
    client.query('rollback').catch(() => {})
  }

  #mayRetry (error: unknown, tries: number): boolean {
    const { effect, foreignSql } = this.#borrower
    return effect === 'read' && foreignSql !== true && !this.#hasEnded && !this.#hasTraces && !(error instanceof DatabaseUnavailable) && this.#parts.retries.mayRetry(error, tries)
  }

  /** The next statement takes another connection. */
  #drop (): void {
    this.#taking?.then((client) => { this.#parts.connections.giveBack(client, false) }, () => {})
    this.#taking = undefined
    this.#isOpen = false
    this.#isUnfit = false
  }

  readonly commit = async (signal?: AbortSignal): Promise<void> => {
    await (signal === undefined ? this.#last : untilAborted(signal, this.#last))
    signal?.throwIfAborted()
    if (this.#taking === undefined || this.#borrower.effect === 'read') return
    const client = await this.#taking
    const ended = this.#parts.telemetry.begin('COMMIT')
    try {
      if (this.#xid === undefined) throw new TransactionFailed()
      await commit(client, this.#xid, this.#parts.askFate)
      ended()
    } catch (error) {
      ended(error)
      this.#isUnfit = true
      throw isConnectionLoss(error) ? unavailable(error) : error
    }
  }

  readonly end = async (): Promise<void> => {
    if (this.#hasEnded) return
    this.#hasEnded = true
    const client = await this.#taking?.catch(() => undefined)
    if (client === undefined) return
    const isFit = await this.#isClean(client).catch(() => false)
    this.#parts.connections.giveBack(client, isFit)
  }

  /** Nothing runs, nothing is open, nothing stays in the session, and no cancel is under way that could hit the next borrower. */
  async #isClean (client: Client): Promise<boolean> {
    if (this.#running !== undefined && !await this.#stopped(client, this.#running)) return false
    if (this.#borrower.foreignSql === true) await within(settleMs, client.query('rollback; select pg_advisory_unlock_all()')) // the server takes its time to notice that a client is gone
    if (this.#isUnfit || this.#hasTraces || this.#borrower.foreignSql === true) return false
    if (client.getTransactionStatus() !== 'I') await within(settleMs, client.query('rollback'))
    return client.getTransactionStatus() === 'I'
  }

  /** Cancels what runs. Only a statement that says it was cancelled has taken the cancel with it. */
  async #stopped (client: Client, running: Promise<unknown>): Promise<boolean> {
    const ended = running.then(() => undefined, (error) => error)
    const wasTold = await within(settleMs, this.#parts.cancel(client))
    return wasTold && (await within(settleMs, ended))?.code === queryCanceled
  }
}

/** The second's result, when neither goes on: what one of them does when the other fails is seen to its end. */
async function afterBoth<T> (first: Promise<unknown>, second: Promise<T>): Promise<T> {
  await Promise.allSettled([first, second])
  await first
  return await second
}

function unavailable (cause: unknown): Error {
  return Object.assign(new DatabaseUnavailable(), { reason: 'database', cause })
}
