import { parseArgs } from 'node:util'
import type { Env } from '../../config/env.ts'
import { loadConfig } from '../../config/load.ts'
import { migrate } from '../migrate.ts'
import { seed } from '../seed.ts'
import { prepareServerRole, roleOf } from '../server-role.ts'
import { UsageError } from './usage-error.ts'

const quietRows = 50_000

/** `portcullis migrate [--hint TEXT]` */
export async function migrateCommand (args: string[]): Promise<void> {
  const { hint } = parseArgs({ args, options: { hint: { type: 'string' } } }).values
  await onDatabase(async (url, env) => {
    await migrateAndTell(url)
    await prepareAndTell(url, env)
  }, hint)
}

/** `portcullis seed [--rows N]` */
export async function seedCommand (args: string[]): Promise<void> {
  const { rows } = parseArgs({ args, options: { rows: { type: 'string', default: '10000' } } }).values
  if (!/^[1-9]\d{0,7}$/.test(rows)) throw new UsageError('--rows must be a whole number from 1 to 99999999')
  await onDatabase(async (url) => {
    await migrateAndTell(url)
    const total = Number(rows)
    const added = await seed(url, total, (done) => { if (total > quietRows) console.error(`${done} of ${total} done`) })
    console.log(`${added} records added`)
  })
}

async function migrateAndTell (url: string): Promise<void> {
  const { to, applied, warnings } = await migrate(url)
  console.log(applied.length === 0 ? `schema is at version ${to}, nothing to do` : `schema is at version ${to}, applied ${applied.join(', ')}`)
  for (const warning of warnings) console.warn(warning)
}

async function prepareAndTell (url: string, { DATABASE_URL: serverUrl = url, PORTCULLIS_ENV: environment, CALL_TIMEOUT_MS: callTimeoutMs }: Env): Promise<void> {
  const role = roleOf(serverUrl)
  if (role !== roleOf(url)) {
    await prepareServerRole(url, role, callTimeoutMs)
    console.log(`the role "${role}" of DATABASE_URL has its groups and defaults`)
  } else if (environment === 'production') {
    console.log(`no role was prepared for the server, since none but "${role}" was named: DATABASE_URL needs a role of its own beside that of MIGRATION_DATABASE_URL, which owns the tables`)
  }
}

/** @param hint told after what went wrong where nobody named the owner */
async function onDatabase (work: (url: string, env: Env) => Promise<void>, hint?: string): Promise<void> {
  const told = hint === undefined ? '' : `\n${hint}`
  const { config } = loadConfig(undefined, (env) => env.PORTCULLIS_ENV === 'production' && (env.MIGRATION_DATABASE_URL ?? env.DATABASE_URL) === undefined ? [`MIGRATION_DATABASE_URL or DATABASE_URL is required in production${told}`] : [])
  const url = config.MIGRATION_DATABASE_URL ?? config.DATABASE_URL
  if (url === undefined) return await onEmbedded(work, config)
  try {
    await work(url, config)
  } catch (error) {
    if (config.MIGRATION_DATABASE_URL === undefined) (error as Error).message += told
    throw error
  }
}

async function onEmbedded (work: (url: string, env: Env) => Promise<void>, config: Env): Promise<void> {
  const { startEmbeddedPostgres } = await import('../embedded-postgres/index.ts')
  const postgres = await startEmbeddedPostgres()
  try {
    await work(await postgres.database('portcullis'), config)
  } finally {
    await postgres.stop()
  }
}
