import { rmSync } from 'node:fs'
import t from 'tap'
import { startEmbeddedPostgres } from '../../src/embedded-postgres/index.ts'
import { migrate } from '../../src/migrate.ts'
import { prepareServerRole, roleOf } from '../../src/server-role.ts'
import { runSql } from '../helpers/postgres.ts'

// A cluster of its own: groups belong to the whole of it, and these tests begin without them.
const cluster = await startEmbeddedPostgres({ name: `roles-test-${process.pid}` })
t.teardown(async () => {
  await cluster.stop()
  rmSync(cluster.folder, { recursive: true, force: true })
})
const admin = async (...statements: string[]) => await runSql(cluster.adminUrl, ...statements)

function as (role: string, database: string): string {
  return Object.assign(new URL(cluster.adminUrl), { username: role, password: 'p', pathname: database }).href
}

async function without (databases: string[]): Promise<void> {
  await admin(...databases.map((name) => `drop database ${name} with (force)`), 'drop role portcullis_reader, portcullis_writer')
}

t.test('the role that a URL names is known without a connection', async (t) => {
  t.equal(roleOf('postgresql://app%40x:p@pooler:6432/db'), 'app@x')
  t.equal(roleOf('postgresql:///db?user=other'), 'other')
})

t.test('databases of one cluster that migrate at once make the groups once', async (t) => {
  const names = Array.from({ length: 6 }, (_, index) => `race_${index}`)
  await admin(...names.map((name) => `create database ${name}`))
  const reports = await Promise.all(names.map(async (name) => await migrate(Object.assign(new URL(cluster.adminUrl), { pathname: name }).href)))
  t.ok(reports.every(({ warnings }) => warnings.length === 0))
  const [groups] = await admin('select rolname, rolcanlogin, rolsuper from pg_roles where rolname like \'portcullis\\_%\' order by 1')
  t.same(groups?.rows, [{ rolname: 'portcullis_reader', rolcanlogin: false, rolsuper: false }, { rolname: 'portcullis_writer', rolcanlogin: false, rolsuper: false }])
  await without(names)
})

t.test('an owner that may not make roles migrates, and says what an administrator has to run', async (t) => {
  await admin('create role plain login password \'p\'', 'create database plain owner plain', 'create role late login password \'p\'')
  const owner = as('plain', 'plain')
  t.match(await migrate(owner), { applied: /^00/, warnings: ['role plain may not make roles; before the server gets a role of its own, an administrator runs: create role portcullis_reader nologin; create role portcullis_writer nologin'] })

  const refusal = await prepareServerRole(owner, 'late', 5_000).catch((error: unknown) => error) as Error
  t.match(refusal, { code: 'MCP_SERVER_ROLE_UNREADY', message: /^the role "late" of DATABASE_URL is not ready; have an administrator run: create role portcullis_reader nologin; .*; then run portcullis migrate again$/ })
  const statements = refusal.message.replace(/^.* run: /, '').replace(/; then run .*$/, '')
  await admin(...statements.split('; '))
  await prepareServerRole(owner, 'late', 5_000)
  t.same((await runSql(as('late', 'plain'), 'select count(*)::int as n from records'))[0]?.rows, [{ n: 0 }], 'granted as soon as there are groups')
  await without(['plain'])
})

t.test('the role of the server', async (t) => {
  await admin('create role maker login createrole password \'p\'', 'create database made owner maker')
  const [owner, server] = [as('maker', 'made'), as('app', 'made')]
  t.match(await migrate(owner), { warnings: { length: 0 } })

  t.test('that is not there is named, with how to make it', async (t) => {
    await t.rejects(prepareServerRole(owner, 'app', 5_000), { message: 'the role "app" of DATABASE_URL is not ready; have an administrator run: create role "app" login password \'...\'; then run portcullis migrate again' })
    t.equal((await admin('select from pg_roles where rolname = \'app\''))[0]?.rowCount, 0, 'and not made with a password that everybody knows')
  })

  t.test('has its defaults in this database alone, the one that migrates has none', async (t) => {
    await runSql(owner, 'create role app login password \'p\'')
    await prepareServerRole(owner, 'app', 5_000)
    const show = async () => (await runSql(server, 'select current_setting(\'default_transaction_read_only\') as r, current_setting(\'statement_timeout\') as s, current_setting(\'idle_in_transaction_session_timeout\') as i, current_setting(\'timezone\') as z'))[0]?.rows[0]
    t.same(await show(), { r: 'on', s: '5s', i: '5s', z: 'UTC' })
    await prepareServerRole(owner, 'app', 7_000)
    t.match(await show(), { s: '7s' }, 'they follow CALL_TIMEOUT_MS')
    const [stored] = await admin('select r.rolname, d.datname from pg_db_role_setting s join pg_roles r on r.oid = s.setrole left join pg_database d on d.oid = s.setdatabase where d.datname is distinct from \'plain\'')
    t.same(stored?.rows, [{ rolname: 'app', datname: 'made' }])
  })

  t.test('reads, and writes what a tool writes, in a transaction that says so', async (t) => {
    await runSql(owner, 'insert into records (name) values (\'x\')')
    const writing = (statement: string) => runSql(server, 'begin read write', statement, 'commit')
    await t.rejects(runSql(server, 'update records set status = \'archived\''), { code: '25006' })
    t.equal((await writing('update records set status = \'archived\' where name = \'x\' returning updated_at'))[1]?.rowCount, 1)
    for (const statement of ['update records set name = \'y\'', 'delete from records', 'insert into records (name) values (\'z\')', 'create table t ()', 'delete from schema_version', 'truncate rate_limits']) await t.rejects(writing(statement), { code: '42501' }, statement)
    for (const statement of ['insert into rate_limits values (\'b\', 1, 1, now())', 'update rate_limits set tokens = 0', 'delete from rate_limits']) t.equal((await writing(statement))[1]?.rowCount, 1, statement)
    t.ok((await runSql(server, 'select from schema_version'))[0]?.rowCount, 'what tells pending migrations')
  })

  t.test('reads the tables of later migrations, but not those that a migration takes away', async (t) => {
    await runSql(owner, 'create table labels (name text)', 'create table secrets (name text)', 'revoke select on secrets from portcullis_reader')
    await prepareServerRole(owner, 'app', 5_000)
    t.equal((await runSql(server, 'select from labels'))[0]?.rowCount, 0)
    await t.rejects(runSql(server, 'select from secrets'), { code: '42501' })
  })

  t.test('can\'t migrate, and is told who can', async (t) => {
    await runSql(owner, 'delete from schema_version where version = 1')
    await t.rejects(migrate(server), { code: 'MCP_MIGRATION_FAILED', message: /\(25006.*\); migrate as the owner of the tables, whose URL goes into MIGRATION_DATABASE_URL$/ })
  })
})
