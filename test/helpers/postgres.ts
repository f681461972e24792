import { randomBytes } from 'node:crypto'
import pg from 'pg'
import type { Test } from 'tap'
import { startEmbeddedPostgres } from '../../src/embedded-postgres/index.ts'
import { migrate } from '../../src/migrate.ts'

/**
 * A database of its own for one test, on TEST_DATABASE_URL (a role that may create databases) or else on the embedded
 * PostgreSQL, which all test processes of a run share.
 */
export async function emptyDatabase (t: Test): Promise<string> {
  const { TEST_DATABASE_URL: given = '' } = process.env
  const cluster = given === '' ? await startEmbeddedPostgres({ name: 'test-postgres' }) : undefined
  const adminUrl = cluster?.adminUrl ?? given
  const name = `test_${randomBytes(6).toString('hex')}`
  await runSql(adminUrl, `create database ${name}`)
  t.teardown(async () => {
    await runSql(adminUrl, `drop database ${name} with (force)`)
    await cluster?.stop()
  })
  const url = new URL(adminUrl)
  url.pathname = `/${name}`
  return url.href
}

/** The same with the schema of the product. */
export async function migratedDatabase (t: Test): Promise<string> {
  const url = await emptyDatabase(t)
  await migrate(url)
  return url
}

/** Runs statements on a connection that is closed again. */
export async function runSql (url: string, ...statements: string[]): Promise<pg.QueryResult[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const results: pg.QueryResult[] = []
    for (const statement of statements) results.push(await client.query(statement))
    return results
  } finally {
    await client.end()
  }
}
