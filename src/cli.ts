import { parseArgs } from 'node:util'
import { loadConfig } from '../config/load.ts'
import { migrate } from './migrate.ts'
import { seed } from './seed.ts'
import { drainOnOneSignal } from './signals.ts'

const usage = `Usage:
  portcullis migrate            bring the schema of the database up to date
  portcullis seed [--rows N]    migrate, then add synthetic research records up to number N (default 10000)

Both use MIGRATION_DATABASE_URL, else DATABASE_URL, else (in development) the embedded PostgreSQL.`

const commands: Record<string, (args: string[]) => Promise<void>> = {
  migrate: async (args) => {
    parseArgs({ args, options: {} })
    await onDatabase(async (url) => { await migrateAndTell(url) })
  },
  seed: async (args) => {
    const { rows } = parseArgs({ args, options: { rows: { type: 'string', default: '10000' } } }).values
    if (!/^[1-9]\d{0,7}$/.test(rows)) throw new UsageError('--rows must be a whole number from 1 to 99999999')
    await onDatabase(async (url) => {
      await migrateAndTell(url)
      console.log(`${await seed(url, Number(rows))} records added`)
    })
  }
}

class UsageError extends Error {}

async function migrateAndTell (url: string): Promise<void> {
  const { to, applied } = await migrate(url)
  console.log(applied.length === 0 ? `schema is at version ${to}, nothing to do` : `schema is at version ${to}, applied ${applied.join(', ')}`)
}

async function onDatabase (work: (url: string) => Promise<void>): Promise<void> {
  const { config } = loadConfig(undefined, (env) => env.PORTCULLIS_ENV === 'production' && (env.MIGRATION_DATABASE_URL ?? env.DATABASE_URL) === undefined ? ['MIGRATION_DATABASE_URL or DATABASE_URL is required in production'] : [])
  const url = config.MIGRATION_DATABASE_URL ?? config.DATABASE_URL
  if (url !== undefined) return await work(url)
  const { startEmbeddedPostgres } = await import('./embedded-postgres/index.ts')
  const postgres = await startEmbeddedPostgres()
  try {
    await work(await postgres.database('portcullis'))
  } finally {
    await postgres.stop()
  }
}

drainOnOneSignal() // Ctrl-C also stops an embedded database
const [name = '', ...args] = process.argv.slice(2)
const command = Object.hasOwn(commands, name) ? commands[name] : undefined
try {
  if (command === undefined) throw new UsageError(name === '' ? 'name a command' : `there is no command "${name}"`)
  await command(args)
} catch (error) {
  const { message, code } = error as Error & { code?: string }
  const isUsage = error instanceof UsageError || code?.startsWith('ERR_PARSE_ARGS') === true
  console.error(isUsage ? `${message}\n\n${usage}` : code !== undefined && !code.startsWith('MCP_') ? `${name} failed (${code}): ${message}` : message)
  process.exitCode = 1
}
