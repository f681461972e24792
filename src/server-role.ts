import pg from 'pg'
import { ServerRoleUnready, oneLine } from './errors.ts'
import { onDirectConnection } from './migrate.ts'

const groups = ['portcullis_reader', 'portcullis_writer']

// Any number but that of the migrations will do.
const lockKey = 7_305_112

/** The role that a URL logs in with; a pooler in front of the database changes nothing about it. */
export function roleOf (connectionString: string): string {
  return new pg.Client({ connectionString }).user ?? ''
}

/** What the server's role brings with it, so that a call needs no round trip to set it and no pooler can lose it. */
export function roleDefaults (callTimeoutMs: number): Record<string, string> {
  const timeout = `${callTimeoutMs}ms`
  return { default_transaction_read_only: 'on', statement_timeout: timeout, idle_in_transaction_session_timeout: timeout, timezone: 'UTC' }
}

/** The statement that makes a default of a role, in one database alone. */
export function setDefault (role: string, database: string, name: string, value: string): string {
  return `alter role ${pg.escapeIdentifier(role)} in database ${pg.escapeIdentifier(database)} set ${name} = ${pg.escapeLiteral(value)}`
}

/**
 * After a migration: gives the role of the server its groups and its defaults, with the rights of the role that migrates,
 * which gets none of them itself.
 * @throws ServerRoleUnready with what an administrator has to run
 */
export async function prepareServerRole (ownerUrl: string, role: string, callTimeoutMs: number): Promise<void> {
  const left = await onDirectConnection(ownerUrl, async (client) => {
    await client.query('call portcullis_grants()')
    return await giveWhatLacks(client, role, callTimeoutMs)
  })
  if (left.length > 0) throw oneLine(new ServerRoleUnready(role, left.join('; ')))
}

/**
 * Gives a role what the server's role must have in this database, as far as it lacks it.
 * @returns what the role of the connection may not do, as statements
 */
export async function giveWhatLacks (client: pg.Client, role: string, callTimeoutMs: number): Promise<string[]> {
  await client.query('select pg_advisory_lock($1)', [lockKey]) // until the connection ends
  const { rows: [found] } = await client.query<Found>(look, [role, groups])
  if (found?.exists !== true) return [`create role ${pg.escapeIdentifier(role)} login password '...'`]
  const left: string[] = []
  for (const statement of lacking(found, role, callTimeoutMs)) {
    try {
      await client.query(statement)
    } catch (error) {
      const { code } = error as pg.DatabaseError
      if (code === refused || code === noSuchGroup) left.push(statement)
      else if (code === undefined || !madeMeanwhile.has(code)) throw error
    }
  }
  return left
}

const refused = '42501'
const noSuchGroup = '42704'
const madeMeanwhile = new Set(['42710', '23505']) // for another database of the cluster

function lacking ({ database, settings, missing, foreign }: Found, role: string, callTimeoutMs: number): string[] {
  return [
    ...missing.map((group) => `create role ${group} nologin`),
    ...foreign.map((group) => `grant ${group} to ${pg.escapeIdentifier(role)}`),
    ...Object.entries(roleDefaults(callTimeoutMs)).filter(([setting, value]) => !settings.includes(`${setting}=${value}`)).map(([setting, value]) => setDefault(role, database, setting, value))
  ]
}

interface Found {
  database: string
  exists: boolean
  /** Defaults that the role has in this database, each as name=value. */
  settings: string[]
  /** Groups that nobody made yet. */
  missing: string[]
  /** Groups that the role is no member of. */
  foreign: string[]
}

const look = `
  select
    current_database() as database,
    exists (select from pg_roles where rolname = $1) as exists,
    array(
      select lower(split_part(setting, '=', 1)) || '=' || substr(setting, strpos(setting, '=') + 1)
      from pg_db_role_setting s, unnest(s.setconfig) setting, pg_roles r, pg_database d
      where r.oid = s.setrole and r.rolname = $1 and d.oid = s.setdatabase and d.datname = current_database()
    ) as settings,
    array(select g from unnest($2::text[]) g where not exists (select from pg_roles where rolname = g)) as missing,
    array(
      select g from unnest($2::text[]) g
      where not exists (select from pg_auth_members m, pg_roles r, pg_roles member where r.oid = m.roleid and r.rolname = g and member.oid = m.member and member.rolname = $1)
    ) as foreign`
