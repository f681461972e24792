import { setTimeout as delay } from 'node:timers/promises'
import type { FastifyBaseLogger } from 'fastify'
import pg from 'pg'
import type { Env } from '../config/env.ts'
import { DatabasePoolRefused, DatabaseRefused, DatabaseUnreachable, oneLine } from './errors.ts'
import { parseJsonb } from './jsonb.ts'
import { roleDefaults } from './server-role.ts'

/** A database as its operator knows it: by the variable that holds its URL. */
export interface DatabaseAddress { variable: string, url: string }

/**
 * What every pool of the server has in common.
 * @param setsDefaults each connection is told the defaults that its role lacks; never behind a pooler, which would lose them
 */
export function poolOptions (env: Pick<Env, 'SERVICE_NAME' | 'DB_POOL_MIN' | 'DB_POOL_MAX' | 'DB_ACQUIRE_TIMEOUT_MS' | 'CALL_TIMEOUT_MS'>, connectionString: string, setsDefaults: boolean): pg.PoolConfig {
  const setDefaults = Object.entries(roleDefaults(env.CALL_TIMEOUT_MS)).map(([name, value]) => `set ${name} = '${value}'`).join('; ')
  return {
    connectionString,
    application_name: env.SERVICE_NAME,
    min: env.DB_POOL_MIN,
    max: env.DB_POOL_MAX,
    pipeline: true, // BEGIN and the statement after it share a round trip
    connectionTimeoutMillis: env.DB_ACQUIRE_TIMEOUT_MS,
    idleTimeoutMillis: 30_000,
    types: { getTypeParser: typeParser as typeof pg.types.getTypeParser },
    ...setsDefaults ? { onConnect: async (client: pg.ClientBase) => { await client.query(setDefaults) } } : {}
  }
}

/**
 * Waits for a database that is not there yet; a wrong password or database name is reported at once.
 * @throws DatabaseRefused, DatabaseUnreachable
 */
export async function untilAnswering ({ variable, url }: DatabaseAddress, budgetMs: number, log: FastifyBaseLogger): Promise<void> {
  const deadline = Date.now() + budgetMs
  for (let pauseMs = 100; ; pauseMs = Math.min(pauseMs * 2, 2_000)) {
    try {
      const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: Math.max(100, deadline - Date.now()) })
      client.on('error', () => {}) // reported by connect
      await client.connect()
      await client.end()
      return
    } catch (error) {
      const code = codeOf(error)
      if (!mayComeYet.test(code)) throw oneLine(new DatabaseRefused(variable, code, remedyOf(code)))
      if (Date.now() + pauseMs >= deadline) throw oneLine(new DatabaseUnreachable(variable, String(Math.round(budgetMs / 1000)), code))
      log.warn({ variable, code, retryInMs: pauseMs }, 'waiting for the database')
    }
    await delay(pauseMs)
  }
}

/** An idle client that breaks reports to the pool, a checked-out one to itself; unheard, either ends the process. */
export function watch (pool: pg.Pool, log: FastifyBaseLogger): void {
  const onLost = (error: Error): void => { log[pool.ending ? 'debug' : 'warn']({ code: (error as { code?: string }).code ?? error.name }, 'database connection lost') }
  pool.on('error', onLost)
  pool.on('connect', (client) => { client.on('error', onLost) })
}

/**
 * Opens the first connections.
 * @throws DatabasePoolRefused
 */
export async function warm (pool: pg.Pool, connections: number, variable: string): Promise<void> {
  const opened = await Promise.allSettled(Array.from({ length: connections }, async () => await pool.connect()))
  for (const result of opened) if (result.status === 'fulfilled') result.value.release()
  const failed = opened.find((result) => result.status === 'rejected')
  if (failed !== undefined) throw oneLine(new DatabasePoolRefused(String(connections), variable, codeOf(failed.reason)))
}

/** Not listening, not resolvable, not ready, full, or silent; everything else waiting won't mend. */
const mayComeYet = /^(E(?!RR_)[A-Z_]+|57P03|53300|08\w{3})$|timeout|terminated/

function remedyOf (code: string): string {
  if (/CERT|VERIFY|TLS/.test(code)) return 'its certificate is not trusted: name the authority that signed it in NODE_EXTRA_CA_CERTS, or in sslrootcert of the URL'
  return `correct user, password or database name${code === '28000' ? ', or demand TLS with ?sslmode=verify-full' : ''}`
}

function codeOf (error: unknown): string {
  const { code, message, errors } = error as { code?: string, message: string, errors?: Array<{ code?: string }> }
  return code ?? errors?.[0]?.code ?? message // the driver's own refusals have a text instead of a code, without secrets
}

function typeParser (oid: number, format?: 'text' | 'binary'): unknown {
  return oid === pg.types.builtins.JSON || oid === pg.types.builtins.JSONB ? parseJsonb : pg.types.getTypeParser(oid, format as 'text')
}
