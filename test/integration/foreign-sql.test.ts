import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync } from 'node:fs'
import t from 'tap'
import { tooMighty } from '../../src/db/foreign-role.ts'
import { foreign, sql } from '../../src/sql.ts'
import { startEmbeddedPostgres } from '../../src/embedded-postgres/index.ts'
import { lenderOn } from '../helpers/lender.ts'
import { emptyDatabase, runSql } from '../helpers/postgres.ts'

// S9: what a model may send to a tool that runs its SQL, one call a line; several statements of a call are tried one after the other.
const escapes: string[][] = [
  // out of the transaction
  ['commit'], ['rollback'], ['end'], ['abort'], ['begin'], ['start transaction read write'], ['COMMIT AND CHAIN'], ['rollback to savepoint x'], ['savepoint x'], ['release x'], ['prepare transaction \'x\''],
  ['select 1; commit; insert into secrets values (9)'], ['select 1;insert into secrets values (9)'], ['/* x */ commit'], ['/* /* */ select */ commit'], ['-- x\ncommit'], ['-- select\rcommit'], ['\tcommit\n'], ['(commit)'],
  ['set transaction read write', 'insert into secrets values (9)'], ['set session characteristics as transaction read write', 'insert into secrets values (9)'],
  ['select set_config(\'transaction_read_only\', \'off\', true)', 'insert into secrets values (9)'], ['select set_config(\'transaction_read_only\', \'off\', false)', 'with x as (insert into secrets values (9) returning 1) select * from x'],
  ['select set_config(\'default_transaction_read_only\', \'off\', false)', 'commit', 'select 1', 'insert into secrets values (9)'],
  // rows and tables
  ['insert into secrets values (9)'], ['update secrets set id = 9'], ['delete from secrets'], ['truncate secrets'], ['merge into secrets using (select 9) x on false when not matched then insert values (9)'],
  ['with x as (delete from secrets returning 1) select * from x'], ['explain analyze delete from secrets'], ['explain (analyze) insert into secrets values (9)'], ['select * into loot from secrets'], ['create table loot (id int)'], ['create temp table loot (id int)'], ['select * into temp loot from secrets'], ['drop table secrets'], ['alter table secrets add x int'], ['create view loot as select 1'], ['select nextval(\'numbers\')'], ['select setval(\'numbers\', 99)'], ['select * from secrets for update'], ['copy secrets to stdout'], ['copy secrets from stdin'], ['lock table secrets'], ['refresh materialized view loot'], ['comment on table secrets is \'x\''], ['grant all on secrets to public'], ['vacuum secrets'], ['analyze secrets'], ['cluster'], ['reindex table secrets'],
  // code
  ['do $$ begin insert into secrets values (9); end $$'], ['call writes()'], ['select writes_too()'], ['select query_to_xml(\'insert into secrets values (9)\', true, true, \'\')'], ['select query_to_xml(\'select set_config(\'\'work_mem\'\', \'\'1MB\'\', false)\', true, true, \'\')'], ['execute p', 'deallocate all'], ['prepare p as insert into secrets values (9)', 'execute p'], ['create function loot () returns int language sql as \'select 1\''],
  // large objects and files
  ['select lo_create(4711)'], ['select lo_creat(-1)'], ['select lo_from_bytea(4711, \'x\')', 'commit'], ['select lo_import(\'/etc/passwd\')'], ['select lo_export(1, \'/tmp/loot\')'], ['select lo_unlink(4712)'], ['select lo_put(4712, 0, \'x\')'], ['select lowrite(lo_open(4712, 131072), \'x\')'],
  ['select pg_read_file(\'/etc/passwd\')'], ['select pg_ls_dir(\'/\')'], ['copy (select 1) to \'/tmp/portcullis-loot\''], ['copy (select 1) to program \'touch /tmp/portcullis-loot\''],
  // what stays in a session
  ['select set_config(\'search_path\', \'loot\', false)'], ['select set_config(\'statement_timeout\', \'0\', false)'], ['select set_config(\'role\', \'pg_read_all_data\', false)'], ['select set_config(\'timezone\', \'Asia/Tokyo\', false)'], ['select set_config(\'portcullis.tenant\', \'other\', false)'], ['select set_config(\'session_authorization\', \'postgres\', false)'], ['set search_path = loot'], ['set role pg_read_all_data'], ['set session authorization postgres'], ['reset all'], ['discard all'], ['listen loot'], ['notify loot'], ['select pg_notify(\'loot\', \'x\')'], ['declare loot cursor with hold for select 1'], ['select pg_advisory_lock(4711)'], ['select pg_try_advisory_lock(4711)'], ['select pg_advisory_lock_shared(4711), pg_advisory_xact_lock(4712)'],
  ['select pg_advisory_unlock_all()'], ['load \'plpgsql\''], ['select pg_export_snapshot()'], ['select setseed(0.5)'],
  // the cluster
  ['select pg_reload_conf()'], ['select pg_rotate_logfile()'], ['select pg_switch_wal()'], ['select pg_create_restore_point(\'x\')'], ['select pg_stat_reset()'], ['alter system set work_mem = \'1MB\''], ['alter role current_user set work_mem = \'1MB\''], ['alter database loot set work_mem = \'1MB\''], ['create role loot'], ['checkpoint'], ['select pg_promote()']
]

const majors = existsSync('/usr/lib/postgresql') ? readdirSync('/usr/lib/postgresql').filter((major) => existsSync(`/usr/lib/postgresql/${major}/bin/initdb`)) : []
const clusters: Array<[name: string, binaries: string | undefined]> = [['the PostgreSQL of the tests', undefined], ...majors.map((major) => [`the installed PostgreSQL ${major}`, `/usr/lib/postgresql/${major}/bin`] as [string, string])]
if (majors.length === 0) t.test('on installed server programs of another major', { skip: 'leg not run: no PostgreSQL below /usr/lib/postgresql; .ci/run installs one' }, () => {})

for (const [name, binaries] of clusters) {
  t.test(`SQL from elsewhere has no effect on ${name}`, async (t) => {
    const url = await databaseOn(t, binaries)
    const role = `analyst_${new URL(url).pathname.slice(6, 14)}`
    await runSql(url,
      `create role ${role} login password 'analyst'`,
      'create table secrets (id int)', 'insert into secrets values (1), (2)', 'create sequence numbers', 'select lo_create(4712)',
      'create procedure writes () language sql as \'insert into secrets values (9)\'', 'create function writes_too () returns int language sql as \'insert into secrets values (9); select 1\'',
      `grant all on all tables in schema public to ${role}`, `grant all on all sequences in schema public to ${role}`, `grant all on large object 4712 to ${role}`, `grant create, usage on schema public to ${role}`) // what it should not have: the mode alone must hold
    t.teardown(async () => { await runSql(url, `drop owned by ${role}`, `drop role ${role}`).catch(() => {}) })
    const analyst = new URL(url)
    analyst.username = role
    analyst.password = 'analyst'
    const { lend, pool } = await lenderOn(t, analyst.href, { max: 1, directUrl: url })
    t.equal(await tooMighty(pool), undefined)
    await runSql(url, `create role ${role}_boss createdb`, `grant ${role}_boss to ${role}`, `grant pg_signal_backend to ${role}`)
    t.equal(await tooMighty(pool), 'CREATEDB, membership in pg_signal_backend', 'also what it can become')
    await runSql(url, `drop role ${role}_boss`, `revoke pg_signal_backend from ${role}`)

    const before = await stateOf(url)
    const settings = sql`select name, setting from pg_settings where name not in ('transaction_read_only', 'in_hot_standby') order by name`
    const own = lend()
    const session = await own.db.query(settings)
    await own.end()

    let refused = 0
    for (const statements of escapes) {
      const strict = lend({ foreignSql: true })
      for (const text of statements) await strict.db.query(foreign(text)).catch(() => { refused++ })
      await strict.end()
      const next = lend()
      const after = await next.db.query(settings)
      const left = await next.db.one<{ locks: number, prepared: number, temp: number }>(sql`select (select count(*)::int from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())) as locks, (select count(*)::int from pg_cursors where is_holdable) as prepared, (select count(*)::int from pg_class where relpersistence = 't') as temp`)
      await next.end()
      if (JSON.stringify(after) !== JSON.stringify(session) || JSON.stringify(left) !== '{"locks":0,"prepared":0,"temp":0}') t.fail(`${statements.join('; ')} stays in the session: ${JSON.stringify(left)}`)
      const now = await stateOf(url)
      if (now !== before) t.equal(now, before, statements.join('; '))
    }
    t.ok(escapes.length >= 60, `${escapes.length} escapes`)
    t.ok(refused >= 60, `${refused} statements refused`)
    const strict = lend({ foreignSql: true })
    t.same(await strict.db.query(foreign('select id from secrets order by 1')), [{ id: 1 }, { id: 2 }], 'and it reads')
    await strict.end()
  })
}

/** Everything of a database, and of its cluster, that an escape might change. */
async function stateOf (url: string): Promise<string> {
  const [result] = await runSql(url, `select jsonb_build_object(
    'rows', (select jsonb_agg(id order by id) from secrets), 'number', (select jsonb_build_array(last_value, is_called) from numbers),
    'classes', (select jsonb_agg(relname || relkind::text order by relname) from pg_class where relnamespace = 'public'::regnamespace), 'functions', (select count(*) from pg_proc),
    'large', (select jsonb_agg(oid order by oid) from pg_largeobject_metadata), 'bytes', (select count(*) from pg_largeobject),
    'settings', (select jsonb_agg(to_jsonb(s) order by setdatabase, setrole) from pg_db_role_setting s where setdatabase in (0, (select oid from pg_database where datname = current_database()))),
    'columns', (select count(*) from pg_attribute where attrelid = 'secrets'::regclass), 'grants', (select relacl::text from pg_class where oid = 'secrets'::regclass),
    'comments', (select count(*) from pg_description where objoid = 'secrets'::regclass), 'locks', (select count(*) from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())), 'cursors', (select count(*) from pg_prepared_xacts)) as state`)
  return JSON.stringify(result?.rows[0].state)
}

async function databaseOn (t: Parameters<typeof emptyDatabase>[0], binaries?: string): Promise<string> {
  if (binaries === undefined) return await emptyDatabase(t)
  const cluster = await startEmbeddedPostgres({ name: `test-postgres-${binaries.split('/').at(-2) ?? ''}`, binaries })
  const url = new URL(cluster.adminUrl)
  const name = `test_${randomBytes(6).toString('hex')}`
  url.pathname = `/${name}`
  await runSql(cluster.adminUrl, `create database ${name}`)
  t.teardown(async () => {
    await runSql(cluster.adminUrl, `drop database ${name} with (force)`)
    await cluster.stop()
  })
  return url.href
}
