import { randomBytes } from 'node:crypto'
import pg from 'pg'
import type { Test } from 'tap'
import { startEmbeddedPostgres } from '../../src/embedded-postgres/index.ts'
import { migrate } from '../../src/migrate.ts'
import { giveWhatLacks } from '../../src/server-role.ts'

const callTimeoutMs = 30_000
const serverUrls = new Map<string, string>()

/**
 * A database of its own for one test, on TEST_DATABASE_URL (a role that may create databases and roles) or else on the
 * embedded PostgreSQL, which all test processes of a run share.
 * @returns the URL of its owner, for whatever the test prepares; a server takes that of `serverUrl`
 */
export async function emptyDatabase (t: Test): Promise<string> {
  const { TEST_DATABASE_URL: given = '' } = process.env
  const cluster = given === '' ? await startEmbeddedPostgres({ name: 'test-postgres' }) : undefined
  const adminUrl = cluster?.adminUrl ?? given
  const name = `test_${randomBytes(6).toString('hex')}`
  const url = urlOf(adminUrl, { pathname: name })
  const own = urlOf(url, { username: name, password: randomBytes(12).toString('hex') })
  await runSql(adminUrl, `create database ${name}`, `create role ${name} login password '${new URL(own).password}'`)
  await prepare(url, name)
  serverUrls.set(url, own)
  t.teardown(async () => {
    await runSql(adminUrl, `drop database ${name} with (force)`, `drop role ${name}`)
    await cluster?.stop()
  })
  return url
}

/** The same with the schema of the product. */
export async function migratedDatabase (t: Test): Promise<string> {
  const url = await emptyDatabase(t)
  await migrate(url)
  return url
}

/** The URL by which a server uses a database of a test: of a role that has the rights and defaults of production. Any other URL stays what it is. */
export function serverUrl (url: string): string {
  return serverUrls.get(url) ?? url
}

/** The variables of a server that migrates as the owner and serves with the rights of production. */
export function databaseEnv (url: string): Record<string, string> {
  const own = serverUrls.get(url)
  return own === undefined ? { DATABASE_URL: url } : { DATABASE_URL: own, MIGRATION_DATABASE_URL: url }
}

/** Runs statements on a connection that is closed again. */
export async function runSql (url: string, ...statements: string[]): Promise<pg.QueryResult[]> {
  return await onConnection(url, async (client) => {
    const results: pg.QueryResult[] = []
    for (const statement of statements) results.push(await client.query(statement))
    return results
  })
}

async function prepare (url: string, role: string): Promise<void> {
  const left = await onConnection(url, async (client) => await giveWhatLacks(client, role, callTimeoutMs))
  if (left.length > 0) throw new Error(`TEST_DATABASE_URL may not: ${left.join('; ')}`)
}

async function onConnection<T> (url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

function urlOf (base: string, parts: Partial<Pick<URL, 'pathname' | 'username' | 'password'>>): string {
  return Object.assign(new URL(base), parts).href
}
