import pg from 'pg'
import Postgrator from 'postgrator'
import { packageFolder } from './version.ts'

export interface MigrationReport { from: number, to: number, applied: string[] }

// Any number will do, as long as every replica takes the same one.
const lockKey = 7_305_111

// Those of this package, wherever the process was started; special characters of its path are no pattern.
const migrationPattern = `${packageFolder.replaceAll('\\', '/').replace(/[?*()[\]{}]/g, '[$&]')}/migrations/*.sql`

/**
 * Brings the schema up to date: all pending files of `migrations/` in one transaction, or none. Replicas that start
 * together wait for one another. A schema newer than the files (an older replica, a rollback) is left alone.
 * @throws Error naming the file that failed, without its SQL
 */
export async function migrate (connectionString: string): Promise<MigrationReport> {
  return await onDirectConnection(connectionString, async (client) => {
    await client.query('begin')
    await client.query('select pg_advisory_xact_lock($1)', [lockKey])
    const runner = runnerOn(client)
    const from = await runner.getDatabaseVersion()
    const latest = await runner.getMaxVersion()
    const applied = latest > from ? await runner.migrate(String(latest)) : []
    await client.query('commit')
    return { from, to: Math.max(from, latest), applied: applied.map(({ filename }) => filename) }
  })
}

/** How many migrations the database lacks. */
export async function pendingMigrations (connectionString: string): Promise<number> {
  return await onDirectConnection(connectionString, async (client) => {
    const runner = runnerOn(client)
    const current = await runner.getDatabaseVersion()
    const all = await runner.getMigrations()
    return all.filter(({ version }) => version > current).length
  })
}

/** Runs on a connection of its own, outside every pool. */
export async function onDirectConnection<T> (connectionString: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString, connectionTimeoutMillis: 10_000, application_name: 'portcullis-migrate' })
  client.on('error', () => {}) // a lost connection also rejects the statement that runs on it
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end().catch(() => {})
  }
}

function runnerOn (client: pg.Client): Postgrator {
  return new Postgrator({ driver: 'pg', migrationPattern, newline: 'LF', schemaTable: 'schema_version', execQuery: async (query) => await client.query(query) })
}
