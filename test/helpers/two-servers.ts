import { randomBytes } from 'node:crypto'
import type { Test } from 'tap'
import { seed } from '../../src/seed.ts'
import { allowing } from './allowlist.ts'
import { migratedDatabase } from './postgres.ts'
import { buildServer, startedServer, workingDirectory, type ServerProcess } from './server-process.ts'
import { addTool } from './transpile.ts'

export interface TwoServers {
  /** Needs no key. */
  open: ServerProcess
  /** Refuses every request without `key`. */
  locked: ServerProcess
  key: string
  records: number
}

/** Two server processes on one database, with the shipped tools and `slow_count`. */
export async function twoServers (t: Test): Promise<TwoServers> {
  const out = buildServer(t)
  addTool(out, 'test/fixtures/tools/slow-count.ts')
  const url = await migratedDatabase(t)
  const records = 200
  await seed(url, records)
  const key = randomBytes(16).toString('hex')
  const env = { DATABASE_URL: url, DB_POOL_MIN: '1', DB_POOL_MAX: '4', ALLOWLIST_PATH: allowing(t, 'search_records', 'get_record_detail', 'get_statistics', 'slow_count') }
  const open = await startedServer(t, out, { cwd: workingDirectory(t), env })
  const locked = await startedServer(t, out, { cwd: workingDirectory(t), env: { ...env, AUTH_MODE: 'api-key', API_KEY: key } })
  return { open, locked, key, records }
}
