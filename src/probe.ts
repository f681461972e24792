import pg from 'pg'

export interface Probe {
  /** Whether the database answers; at most one question at a time, the answer is kept for a second. */
  ask: () => Promise<boolean>
  close: () => Promise<void>
}

const keepMs = 1_000
const timeoutMs = 1_000

/** Asks on a connection of its own: a busy pool is not a dead database. */
export function createProbe (connectionString: string): Probe {
  let client: pg.Client | undefined
  let asking: Promise<boolean> | undefined
  let answeredAt = -Infinity
  let isClosed = false

  async function question (): Promise<boolean> {
    try {
      client ??= await connected(connectionString)
      await within(timeoutMs, client.query('select 1'))
      return true
    } catch {
      drop()
      return false
    } finally {
      answeredAt = performance.now()
      if (isClosed) drop()
    }
  }

  function drop (): void {
    client?.end().catch(() => {})
    client = undefined
  }

  return {
    ask: async () => {
      if (isClosed) return false
      if (asking === undefined || (answeredAt > -Infinity && performance.now() - answeredAt > keepMs)) {
        answeredAt = -Infinity
        asking = question()
      }
      return await asking
    },
    close: async () => {
      isClosed = true
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

async function within<T> (ms: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => { timer = setTimeout(() => { reject(new Error('no answer in time')) }, ms) })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
