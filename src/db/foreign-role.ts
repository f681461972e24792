import type pg from 'pg'

// What a role must not have while statements run under it that a model wrote: each opens a way out of the database.
const question = `
  select
    r.rolsuper as superuser, r.rolcreaterole as createrole, r.rolcreatedb as createdb, r.rolreplication as replication, r.rolbypassrls as bypassrls,
    (select coalesce(array_agg(g.rolname order by g.rolname), '{}') from pg_roles g where g.rolname like 'pg\\_%' and g.rolname not in ('pg_read_all_data', 'pg_read_all_settings', 'pg_read_all_stats', 'pg_stat_scan_tables', 'pg_monitor', 'pg_database_owner') and pg_has_role(session_user, g.oid, 'member'))::text[] as groups
  from pg_roles r where r.rolname = session_user`

/** What the role of a connection may do that SQL from elsewhere must not, in words; undefined when there is nothing. */
export async function tooMighty (pool: pg.Pool): Promise<string | undefined> {
  const { rows: [{ groups, ...attributes }] } = await pool.query(question)
  const faults = [...Object.entries(attributes).flatMap(([name, has]) => has === true ? [name.toUpperCase()] : []), ...groups.map((name: string) => `membership in ${name}`)]
  return faults.length === 0 ? undefined : faults.join(', ')
}
