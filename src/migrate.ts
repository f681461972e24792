import { basename } from 'node:path'
import pg from 'pg'
import Postgrator from 'postgrator'
import { MigrationFailed, oneLine } from './errors.ts'
import { packageFolder } from './version.ts'

export interface MigrationReport {
  from: number
  to: number
  applied: string[]
  /** What PostgreSQL warned of meanwhile. */
  warnings: string[]
}

// Any number will do, as long as every replica takes the same one.
const lockKey = 7_305_111

const versionTable = 'schema_version'

// Those of this package, wherever the process was started; special characters of its path are no pattern.
const migrations = `${packageFolder.replaceAll('\\', '/').replace(/[?*()[\]{}]/g, '[$&]')}/migrations`

/**
 * Brings the schema up to date: all pending files of `migrations/` in one transaction, or none. Replicas that start
 * together wait for one another. A schema newer than the files (an older replica, a rollback) is left alone.
 * @throws MigrationFailed naming the file, its line and PostgreSQL's reason
 */
export async function migrate (connectionString: string, folder?: string): Promise<MigrationReport> {
  return await onDirectConnection(connectionString, async (client) => {
    const warnings: string[] = []
    client.on('notice', ({ severity, message = '' }) => { if (severity === 'WARNING') warnings.push(message) })
    await client.query('begin')
    await client.query('select pg_advisory_xact_lock($1)', [lockKey])
    const runner = runnerOn(client, folder)
    const from = await runner.getDatabaseVersion()
    const { pending, edited } = await compare(runner)
    if (edited !== undefined) throw oneLine(new MigrationFailed(`${basename(edited.filename)} was edited after it was applied`, 'restore it, and put the change into a new file'))
    if (pending.length > 0) await apply(runner, from, pending)
    await client.query('commit')
    return { from, to: Math.max(from, ...pending.map(({ version }) => version)), applied: pending.map(({ filename }) => basename(filename)), warnings }
  })
}

/** How many migrations the database lacks. */
export async function pendingMigrations (connectionString: string, folder?: string): Promise<number> {
  return await onDirectConnection(connectionString, async (client) => (await compare(runnerOn(client, folder))).pending.length)
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

function runnerOn (client: pg.Client, folder = migrations): Postgrator {
  return new Postgrator({ driver: 'pg', migrationPattern: `${folder}/*.sql`, newline: 'LF', schemaTable: versionTable, validateChecksums: false, execQuery: async (query) => await client.query(query) })
}

async function apply (runner: Postgrator, from: number, pending: Postgrator.Migration[]): Promise<void> {
  let current: Postgrator.Migration | undefined
  runner.on('migration-started', (migration) => { current = migration })
  try {
    await runner.migrate(String(from)) // applies nothing: makes the version table
    await runner.runMigrations(pending)
  } catch (error) {
    const { message, code, position } = error as pg.DatabaseError
    const ownerNeeded = code === '42501' || code === '25006' ? '; migrate as the owner of the tables, whose URL goes into MIGRATION_DATABASE_URL' : ''
    if (current === undefined) {
      if (ownerNeeded === '') throw error
      throw oneLine(new MigrationFailed('table can\'t be made', `${message} (${code})${ownerNeeded}`))
    }
    const file = basename(current.filename)
    const line = position === undefined ? '' : `, line ${(await current.getSql()).slice(0, Number(position)).split('\n').length}`
    throw oneLine(new MigrationFailed(`${file} failed`, `${message} (${code ?? 'no SQLSTATE'}${line})${ownerNeeded}`))
  }
}

/**
 * The files that were never applied, lowest number first, and one that was and reads differently now. postgrator alone
 * would skip a file whose number is below the highest applied, such as ours in a fork that numbers its own from 1000.
 */
async function compare (runner: Postgrator): Promise<{ pending: Postgrator.Migration[], edited?: Postgrator.Migration }> {
  const isNew = await runner.getDatabaseVersion() === 0
  const { rows } = isNew ? { rows: [] } : await runner.runQuery(`select version, md5 from ${versionTable}`)
  const applied = new Map<number, string | null>(rows.map(({ version, md5 }) => [Number(version), md5]))
  const files = (await runner.getMigrations()).filter(({ action }) => action === 'do')
  return {
    pending: files.filter(({ version }) => !applied.has(version)).sort((a, b) => a.version - b.version),
    edited: files.find(({ version, md5 }) => (applied.get(version) ?? md5) !== md5)
  }
}
