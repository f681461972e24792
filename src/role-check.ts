import type { FastifyBaseLogger } from 'fastify'
import { DatabaseRoleUnfit, oneLine } from './errors.ts'
import { onDirectConnection } from './migrate.ts'
import type { DatabaseAddress } from './pool.ts'
import { roleDefaults, setDefault } from './server-role.ts'

export interface RoleCheck {
  isProduction: boolean
  callTimeoutMs: number
  log: FastifyBaseLogger
}

interface Role { name: string, database: string, isSuperuser: boolean, isReadOnly: boolean, hasTimeout: boolean, bypassesRls: boolean, readsRecords: boolean | null }

/**
 * Looks once, on a fresh connection, whether the role of a database reads only and whose statements end, so that no call
 * has to say so. In production a role that lacks that, or to which no right is closed, stops the boot.
 * @returns whether the pool must set the defaults on each of its connections
 * @throws DatabaseRoleUnfit
 */
export async function checkRole ({ variable, url }: DatabaseAddress, { isProduction, callTimeoutMs, log }: RoleCheck): Promise<boolean> {
  const role = await onDirectConnection(url, async (client) => (await client.query<Role>(look)).rows[0] as Role)
  const missing = [...role.isReadOnly ? [] : ['default_transaction_read_only'], ...role.hasTimeout ? [] : ['statement_timeout']]
  if (isProduction && role.isSuperuser) throw unfit(role, variable, 'is a superuser, whom no grant and no row-level security holds back', `create a role of its own with: create role portcullis login password '...'; name it there, and ${howToGive(variable, 'portcullis', role.database, callTimeoutMs, Object.keys(roleDefaults(callTimeoutMs)))}`)
  if (isProduction && missing.length > 0) throw unfit(role, variable, `lacks the default${missing.length === 1 ? '' : 's'} ${missing.join(' and ')}`, howToGive(variable, role.name, role.database, callTimeoutMs, missing))
  if (isProduction && role.bypassesRls) log.warn({ variable, role: role.name }, 'the role has BYPASSRLS or owns the tables, so no row-level security holds for it; give the server a role of its own (docs/database.md)')
  if (role.readsRecords === false) log.warn({ variable, role: role.name }, 'the role may not read the table records; run portcullis migrate, or grant portcullis_reader to it')
  if (missing.length > 0) log.info({ variable, role: role.name, missing }, 'the role lacks defaults, so each connection sets them; production demands them on the role')
  return missing.length > 0
}

function unfit ({ name }: Role, variable: string, fault: string, fix: string): Error {
  return oneLine(new DatabaseRoleUnfit(name, variable, fault, fix))
}

function howToGive (variable: string, role: string, database: string, callTimeoutMs: number, names: string[]): string {
  const defaults = roleDefaults(callTimeoutMs)
  const byHand = names.map((name) => setDefault(role, database, name, defaults[name] as string)).join('; ')
  return variable === 'DATABASE_URL' ? `run portcullis migrate with MIGRATION_DATABASE_URL of the owner, or: ${byHand}` : `run: ${byHand}`
}

const look = `
  select
    r.rolname as name,
    current_database() as database,
    r.rolsuper as "isSuperuser",
    r.rolbypassrls or coalesce(pg_has_role(current_user, (select relowner from pg_class where oid = to_regclass('records')), 'member'), false) as "bypassesRls",
    current_setting('default_transaction_read_only') = 'on' as "isReadOnly",
    current_setting('statement_timeout') <> '0' as "hasTimeout",
    has_table_privilege(to_regclass('records'), 'select') as "readsRecords"
  from pg_roles r where r.rolname = current_user`
