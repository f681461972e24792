import { allowlistCommand } from './cli/allowlist.ts'
import { migrateCommand, seedCommand } from './cli/database.ts'
import { keysCommand } from './cli/keys.ts'
import { secretsCommand } from './cli/secrets.ts'
import { UsageError } from './cli/usage-error.ts'
import { ConfigInvalid } from './errors.ts'
import { drainOnOneSignal } from './signals.ts'

const usage = `Usage:
  portcullis migrate [--hint TEXT]
                                bring the schema of the database up to date; --hint says, when there is no
                                MIGRATION_DATABASE_URL, where it should have come from
  portcullis seed [--rows N]    migrate, then add synthetic research records up to number N (default 10000)
  portcullis keys new --id ID --role ROLE [--role ROLE] [--tenant T] [--expires 2027-01-31]
                                make an API key and its line for the file of API_KEYS_FILE
  portcullis allowlist check [--file F] [--also TOOL]
                                check the file of ALLOWLIST_PATH; --also names a tool that a package adds
  portcullis allowlist explain --role ROLE [--role ROLE] --tool TOOL [--file F] [--also TOOL]
                                tell what a caller with these roles may do with a tool, and which line says so
  portcullis secrets init --dir DIR [--database HOST:PORT/NAME] [--pooler HOST:PORT]
                                make what a new installation keeps secret, a file each, named like its variable

migrate and seed use MIGRATION_DATABASE_URL, else DATABASE_URL, else (in development) the embedded PostgreSQL.
The exit status is 2 where only another command line or other settings would help, 1 for every other failure.`

const commands: Record<string, (args: string[]) => Promise<void>> = { migrate: migrateCommand, seed: seedCommand, keys: keysCommand, allowlist: allowlistCommand, secrets: secretsCommand }

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
  process.exitCode = isUsage || error instanceof ConfigInvalid ? 2 : 1
}
