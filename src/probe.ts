import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { within } from './within.ts'

export interface Probe {
  /**
   * Whether the database answers, as far as is known: it is away once it has missed two questions in a row, and back with
   * its first answer. At most one question at a time, the answer is kept for a second, and nobody waits long for it.
   */
  ask: () => Promise<boolean>
  close: () => Promise<void>
}

const keepMs = 1_000
const timeoutMs = 1_000
const missesUntilAway = 2
const askAgainMs = 500
/** Kubernetes gives a probe a second; a database that does not answer within less is not news, one that has been silent is. */
const patienceMs = 500

/** Asks on a connection of its own: a busy pool is not a dead database. */
export function createProbe (connectionString: string): Probe {
  let client: pg.Client | undefined
  let asking: Promise<void> | undefined
  let answeredAt = -Infinity
  let isThere: boolean | undefined
  const closing = new AbortController()

  /** Until the database answers, or has missed so often that it is away. */
  async function inquire (): Promise<void> {
    for (let misses = 0; !await answers(); await delay(askAgainMs, undefined, { signal: closing.signal }).catch(() => {})) {
      misses++
      if (misses < missesUntilAway && isThere !== false && !closing.signal.aborted) continue
      isThere = false
      return
    }
    isThere = true
  }

  async function answers (): Promise<boolean> {
    if (closing.signal.aborted) return false
    try {
      client ??= await connected(connectionString)
      await within(timeoutMs, client.query('select 1'))
      return true
    } catch {
      drop()
      return false
    } finally {
      if (closing.signal.aborted) drop()
    }
  }

  function drop (): void {
    client?.end().catch(() => {})
    client = undefined
  }

  async function ask (): Promise<void> {
    await inquire()
    answeredAt = performance.now()
    asking = undefined
  }

  return {
    ask: async () => {
      if (closing.signal.aborted) return false
      if (performance.now() - answeredAt > keepMs) asking ??= ask()
      if (asking !== undefined) await (isThere === undefined ? asking : within(patienceMs, asking).catch(() => {}))
      return isThere === true
    },
    close: async () => {
      closing.abort()
      drop()
    }
  }
}

async function connected (connectionString: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString, connectionTimeoutMillis: timeoutMs, application_name: 'portcullis-probe' })
  client.on('error', () => {}) // the next question finds it out
  try {
    await client.connect()
    return client
  } catch (error) {
    client.end().catch(() => {})
    throw error
  }
}
