import { AsyncLocalStorage } from 'node:async_hooks'
import type { Socket } from 'node:net'
import type pg from 'pg'
import { DatabaseUnavailable, NestedConnection } from '../errors.ts'
import type { Breaker } from './breaker.ts'
import { isConnectionLoss, isServersAnswer } from './losses.ts'
import type { DbTelemetry } from './telemetry.ts'

/** Why there is no connection. */
export type UnavailableReason = 'pool_full' | 'pool_timeout' | 'database'

export interface Connections {
  /**
   * A connection before the deadline (epoch milliseconds), or none.
   * @throws DatabaseUnavailable with `reason`
   */
  take: (deadline: number) => Promise<pg.PoolClient>
  giveBack: (client: pg.PoolClient, isFit: boolean) => void
  stats: () => ConnectionStats
}

export interface ConnectionStats {
  /** Calls that wait for a connection. */
  waiting: number
  /** Longest wait for a connection in the last minute, milliseconds. */
  acquireWaitMs: number
  /** How long the connection that was lent longest ago has been out, milliseconds. */
  oldestBorrowMs: number
}

const pooledTimeout = /^timeout exceeded/
const toleranceMs = 50 // the pool's own timer comes first, and knows what it waited for
const windowMs = 30_000

/** The tool whose handler runs; what a handler leaves running is in its context, and free once it has returned. */
const handling = new AsyncLocalStorage<{ tool: string, isOver: boolean }>()

/** Runs a handler so that a connection taken past `call.db` is refused. */
export async function whileHandling<T> (tool: string, run: () => Promise<T>): Promise<T> {
  const context = { tool, isOver: false }
  try {
    return await handling.run(context, run)
  } finally {
    context.isOver = true
  }
}

/** Takes connections from a pool: bounded in time and number, at once refused while the database is known to be away. */
export function createConnections (pool: pg.Pool, breaker: Breaker, { maxWaiting, timeoutMs, telemetry }: { maxWaiting: number, timeoutMs: number, telemetry: Pick<DbTelemetry, 'waited' | 'timedOut'> }): Connections {
  const connect = pool.connect.bind(pool) as () => Promise<pg.PoolClient>
  const lentAt = new Map<pg.PoolClient, number>()
  const waits = createLongest()
  let waiting = 0
  let out = 0
  pool.on('acquire', () => { out++ }).on('release', () => { out-- }) // also those that others than calls have
  refuseNested(pool)

  async function take (deadline: number): Promise<pg.PoolClient> {
    if (breaker.isOpen()) throw unavailable('database')
    if (waiting >= maxWaiting) throw unavailable('pool_full')
    const since = performance.now()
    waiting++
    try {
      const client = await inTime(connect(), Math.min(timeoutMs + toleranceMs, deadline - Date.now()))
      breaker.succeeded()
      lentAt.set(client, performance.now())
      return client
    } catch (cause) {
      if (isLate(cause) && isBusy(performance.now() - since)) {
        telemetry.timedOut()
        throw unavailable('pool_timeout', cause)
      }
      if (isConnectionLoss(cause) || !isServersAnswer(cause)) breaker.failed() // one that says it is full is there
      throw unavailable('database', cause)
    } finally {
      waiting--
      const ms = performance.now() - since
      waits.add(ms)
      telemetry.waited(ms)
    }
  }

  /** All are lent, or there was little time: the database is not to blame. */
  function isBusy (waitedMs: number): boolean {
    return out >= pool.options.max || waitedMs < timeoutMs - toleranceMs
  }

  return {
    take,
    giveBack: (client, isFit) => {
      lentAt.delete(client)
      if (!isFit) (client as unknown as { connection: { stream: Socket } }).connection.stream.destroy() // the driver would wait for what still runs
      client.release(!isFit)
    },
    stats: () => {
      const [oldest] = lentAt.values() // a Map keeps the order of lending
      return { waiting, acquireWaitMs: Math.round(waits.longest()), oldestBorrowMs: oldest === undefined ? 0 : Math.round(performance.now() - oldest) }
    }
  }
}

/** A handler that takes a second connection could wait for itself: with every connection held by such a call nothing would ever go on. */
function refuseNested (pool: pg.Pool): void {
  const connect = pool.connect.bind(pool) as (onConnected?: (error: Error) => void) => unknown
  pool.connect = ((onConnected?: (error: Error) => void): unknown => {
    const context = handling.getStore()
    if (context === undefined || context.isOver) return onConnected === undefined ? connect() : connect(onConnected)
    const error = new NestedConnection(context.tool)
    if (onConnected === undefined) return Promise.reject(error)
    onConnected(error)
  }) as typeof pool.connect
}

function unavailable (reason: UnavailableReason, cause?: unknown): Error {
  return Object.assign(new DatabaseUnavailable(), { reason, cause })
}

class Late extends Error {}

function isLate (error: unknown): boolean {
  return error instanceof Late || pooledTimeout.test((error as Error).message)
}

/** A connection that comes too late goes back to the pool. */
async function inTime (connecting: Promise<pg.PoolClient>, ms: number): Promise<pg.PoolClient> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(new Late())
      connecting.then((client) => { client.release() }, () => {})
    }, ms)
  })
  try {
    return await Promise.race([connecting, late])
  } finally {
    clearTimeout(timer)
  }
}

/** The largest of what was added in the last half minute to minute. */
function createLongest () {
  let [current, before, since] = [0, 0, performance.now()]
  const turn = (): void => {
    const windows = Math.floor((performance.now() - since) / windowMs)
    if (windows === 0) return
    before = windows === 1 ? current : 0
    current = 0
    since += windows * windowMs
  }
  return {
    add: (ms: number): void => {
      turn()
      if (ms > current) current = ms
    },
    longest: (): number => {
      turn()
      return Math.max(current, before)
    }
  }
}
