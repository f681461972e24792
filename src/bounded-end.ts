import type pg from 'pg'

/**
 * Lets `pool.end()` return in time: it would wait for ever for a client that is still out, and for a server that does not
 * answer the goodbye. What is left of the pool ends with the process.
 */
export function boundEnd (pool: pg.Pool, ms: number): void {
  const end = pool.end.bind(pool)

  async function endInTime (): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => { timer = setTimeout(resolve, ms) })
    await Promise.race([end(), late])
    clearTimeout(timer)
  }

  pool.end = ((done?: (error?: Error) => void) => {
    if (done === undefined) return endInTime()
    endInTime().then(() => { done() }, done)
  }) as typeof pool.end
}
