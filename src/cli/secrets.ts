import { randomBytes } from 'node:crypto'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { UsageError } from './usage-error.ts'

/** For the server alone: the one who makes them reads them. */
const own = 0o400
/** For the database too, which runs as another user of the same group. */
const shared = 0o440

const roles = { owner: 'portcullis_owner', server: 'portcullis' }

/** `portcullis secrets init --dir DIR [--database HOST:PORT/NAME] [--pooler HOST:PORT]` */
export async function secretsCommand ([action, ...args]: string[]): Promise<void> {
  const { dir, database, pooler } = parseArgs({ args, options: { dir: { type: 'string' }, database: { type: 'string', default: 'postgres:5432/portcullis' }, pooler: { type: 'string' } } }).values
  if (action !== 'init' || dir === undefined) throw new UsageError('write: secrets init --dir DIR')
  const [, address, name] = /^([^/@\s]+:\d+)\/([\w-]+)$/.exec(database) ?? []
  if (address === undefined || name === undefined) throw new UsageError('--database must be written like postgres:5432/portcullis')
  if (pooler !== undefined && !/^[^/@\s]+:\d+$/.test(pooler)) throw new UsageError('--pooler must be written like pgbouncer:6432')
  const secrets = secretsIn(dir)

  const key = secrets.keep('API_KEY', () => `pc_${randomBytes(32).toString('base64url')}`, own)
  secrets.keep('PORTCULLIS_SECRET', random, own)
  secrets.keep('POSTGRES_PASSWORD', random, shared)
  const owner = secrets.keep('OWNER_PASSWORD', random, shared)
  const server = secrets.keep('SERVER_PASSWORD', random, shared)
  secrets.keep('MIGRATION_DATABASE_URL', () => `postgresql://${roles.owner}:${owner}@${address}/${name}`, own)
  secrets.keep('DATABASE_URL', () => `postgresql://${roles.server}:${server}@${address}/${name}`, own)
  if (pooler !== undefined) {
    secrets.keep('POOLED_DATABASE_URL', () => `postgresql://${roles.server}:${server}@${pooler}/${name}`, own)
    secrets.keep('PGBOUNCER_USERS', () => `"${roles.server}" "${server}"`, shared)
  }

  console.log(secrets.made.length === 0 ? `${dir} has every secret already` : `written to ${dir}: ${secrets.made.join(', ')}`)
  if (secrets.made.includes('API_KEY')) console.log(`\nAPI key, shown this once:\n${key}`)
}

function random (): string {
  return randomBytes(24).toString('hex') // nothing that a URL or a configuration file would read otherwise
}

interface Secrets {
  /** The value of a file; the file is made when it is not there, and left alone when it is. */
  keep: (name: string, make: () => string, mode: number) => string
  made: string[]
}

function secretsIn (dir: string): Secrets {
  mkdirSync(dir, { recursive: true, mode: 0o750 })
  const made: string[] = []
  return {
    made,
    keep: (name, make, mode) => {
      const path = join(dir, name)
      try {
        writeFileSync(path, `${make()}\n`, { flag: 'wx', mode })
        chmodSync(path, mode) // whatever the umask says
        made.push(name)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      }
      const value = readFileSync(path, 'utf8').trim()
      if (value === '') throw new Error(`${path} is empty; delete it and run this again`)
      return value
    }
  }
}
