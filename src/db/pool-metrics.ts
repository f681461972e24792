import type { Metrics, Observe } from '../metrics.ts'
import type { PoolStats } from './open.ts'

type PoolMetrics = Pick<Metrics, 'dbConnections' | 'dbMost' | 'dbPending' | 'dbOldestUse' | 'poolSize'>

/** Shows a pool as it is when metrics are collected. */
export function watchPool (observe: Observe, { dbConnections, dbMost, dbPending, dbOldestUse, poolSize }: PoolMetrics, name: string, stats: () => PoolStats): void {
  const pool = { 'db.client.connection.pool.name': name }
  const idle = { ...pool, 'db.client.connection.state': 'idle' }
  const used = { ...pool, 'db.client.connection.state': 'used' }
  observe(dbConnections, (result) => {
    const now = stats()
    result.observe(now.idle, idle)
    result.observe(now.size - now.idle, used)
  })
  observe(dbMost, (result) => { result.observe(stats().max_size, pool) })
  observe(dbPending, (result) => { result.observe(stats().waiting, pool) })
  observe(dbOldestUse, (result) => { result.observe(stats().oldest_borrow_ms / 1000, pool) })
  if (name === 'primary') observe(poolSize, (result) => { result.observe(stats().size) })
}
