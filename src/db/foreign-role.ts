import type pg from 'pg'

// What neither a role nor one that it can become must have while statements run under it that a model wrote: each opens a
// way out of the database.
const question = `
  select distinct fault from pg_roles r, lateral (values
    (r.rolsuper, 'SUPERUSER'), (r.rolcreaterole, 'CREATEROLE'), (r.rolcreatedb, 'CREATEDB'), (r.rolreplication, 'REPLICATION'), (r.rolbypassrls, 'BYPASSRLS'),
    (r.rolname like 'pg\\_%' and r.rolname not in ('pg_read_all_data', 'pg_read_all_settings', 'pg_read_all_stats', 'pg_stat_scan_tables', 'pg_monitor', 'pg_database_owner'), 'membership in ' || r.rolname)
  ) faults (has, fault)
  where has and pg_has_role(session_user, r.oid, 'member')
  order by fault`

/** What the role of a connection may do that SQL from elsewhere must not, in words; undefined when there is nothing. */
export async function tooMighty (pool: pg.Pool): Promise<string | undefined> {
  const { rows } = await pool.query<{ fault: string }>(question)
  return rows.length === 0 ? undefined : rows.map(({ fault }) => fault).join(', ')
}
