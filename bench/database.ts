import { startEmbeddedPostgres } from '../src/embedded-postgres/index.ts'
import { migrate, onDirectConnection } from '../src/migrate.ts'
import { seedIfEmpty } from '../src/seed.ts'

export interface BenchDatabase {
  databaseUrl: string
  version: string
  recordIds: string[]
}

const rows = 10_000
const lookedUp = 64
const callTimeoutMs = 30_000

/** A migrated database with records in it: the given one, or an embedded one, used with the rights of production, that is stopped after the work. */
export async function withDatabase<T> (url: string | undefined, work: (database: BenchDatabase) => Promise<T>): Promise<T> {
  if (url !== undefined) return await work(await prepare(url, url))
  const postgres = await startEmbeddedPostgres({ name: 'bench-postgres' })
  try {
    return await work(await prepare(await postgres.database('bench'), await postgres.server('bench', callTimeoutMs)))
  } finally {
    await postgres.stop()
  }
}

async function prepare (ownerUrl: string, databaseUrl: string): Promise<BenchDatabase> {
  await migrate(ownerUrl)
  await seedIfEmpty(ownerUrl, rows)
  return await onDirectConnection(databaseUrl, async (client) => ({
    databaseUrl,
    version: (await client.query('show server_version')).rows[0].server_version,
    recordIds: (await client.query('select id from records order by id limit $1', [lookedUp])).rows.map(({ id }) => id)
  }))
}
