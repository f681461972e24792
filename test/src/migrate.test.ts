import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { migrate, pendingMigrations } from '../../src/migrate.ts'
import { seed, seedIfEmpty } from '../../src/seed.ts'
import { folderWith } from '../helpers/folder.ts'
import { emptyDatabase, migratedDatabase, runSql } from '../helpers/postgres.ts'

const files = readdirSync('migrations').filter((name) => name.includes('.do.'))
const latest = Math.max(...files.map((name) => Number.parseInt(name)))

t.test('replicas that migrate at once do it once', async (t) => {
  const url = await emptyDatabase(t)
  t.equal(await pendingMigrations(url), files.length)

  const reports = await Promise.all(Array.from({ length: 8 }, async () => await migrate(url)))

  t.equal(reports.filter(({ applied }) => applied.length > 0).length, 1)
  t.ok(reports.every(({ to }) => to === latest))
  t.equal(await pendingMigrations(url), 0)
  t.match(await migrate(url), { from: latest, to: latest, applied: { length: 0 } })
})

t.test('a migration that fails leaves nothing behind', async (t) => {
  const url = await emptyDatabase(t)
  await runSql(url, 'create view records as select 1 as id')
  await t.rejects(migrate(url), { message: /^migration 001\.do\.\w+\.sql failed, so no pending migration was applied: .*"records" \(\w{5}\)$/ })
  const [result] = await runSql(url, 'select count(*)::int as tables from pg_tables where schemaname = \'public\'')
  t.equal(result?.rows[0].tables, 0)
})

t.test('a schema newer than the files is left alone', async (t) => {
  const url = await migratedDatabase(t)
  await runSql(url, `insert into schema_version (version, name, run_at) values (${latest + 1}, 'future', now())`)
  t.match(await migrate(url), { from: latest + 1, to: latest + 1, applied: { length: 0 } })
  t.equal(await pendingMigrations(url), 0)
})

t.test('a file that arrives late, below the highest number, is applied, and an applied one that was edited stops everything', async (t) => {
  const url = await emptyDatabase(t)
  const folder = folderWith(t, { '001.do.records.sql': 'create table a ()', '1000.do.own.sql': 'create table own ()' })
  t.match(await migrate(url, folder), { from: 0, to: 1000, applied: ['001.do.records.sql', '1000.do.own.sql'] })

  writeFileSync(join(folder, '002.do.newer.sql'), 'create table newer ()')
  writeFileSync(join(folder, '002.undo.newer.sql'), 'drop table newer')
  t.equal(await pendingMigrations(url, folder), 1)
  t.match(await migrate(url, folder), { from: 1000, to: 1000, applied: ['002.do.newer.sql'] })
  t.equal(await pendingMigrations(url, folder), 0)
  await runSql(url, 'select from newer')

  writeFileSync(join(folder, '1000.do.own.sql'), 'create table own (id int)')
  const refusal = { code: 'MCP_MIGRATION_FAILED', message: 'migration 1000.do.own.sql was edited after it was applied, so no pending migration was applied: restore it, and put the change into a new file' }
  await t.rejects(migrate(url, folder), refusal, 'though nothing is pending')
  t.equal(await pendingMigrations(url, folder), 0, 'production only counts')
  writeFileSync(join(folder, '003.do.more.sql'), 'create table more ()')
  await t.rejects(migrate(url, folder), refusal)
  await t.rejects(runSql(url, 'select from more'))

  writeFileSync(join(folder, '1000.do.own.sql'), 'create table own ()')
  t.match(await migrate(url, folder), { applied: ['003.do.more.sql'] }, 'restored')
})

t.test('a file with wrong SQL is named in one sentence, with its line and no stack', async (t) => {
  const url = await emptyDatabase(t)
  const folder = folderWith(t, { '001.do.fine.sql': 'create table fine ()', '1000.do.labels.sql': 'create table labels (\n  id int,\n  name txt\n);\n' })
  const error = await migrate(url, folder).catch((error: unknown) => error) as Error
  t.equal(error.message, 'migration 1000.do.labels.sql failed, so no pending migration was applied: type "txt" does not exist (42704, line 3)')
  t.equal(error.stack, error.message)
  await t.rejects(runSql(url, 'select from fine'))
})

t.test('two files of one number are refused before either runs', async (t) => {
  const url = await emptyDatabase(t)
  const folder = folderWith(t, { '002.do.ours.sql': 'create table ours ()', '002.do.theirs.sql': 'create table theirs ()' })
  await t.rejects(migrate(url, folder), { message: /Two migrations found with version 2/ })
  await t.rejects(runSql(url, 'select from ours'))
})

t.test('updated_at follows every update', async (t) => {
  const url = await migratedDatabase(t)
  const [, , result] = await runSql(url, 'insert into records (name, updated_at) values (\'x\', \'2000-01-01\')', 'update records set name = \'y\'', 'select updated_at > now() - interval \'1 minute\' as is_fresh from records')
  t.equal(result?.rows[0].is_fresh, true)
})

t.test('the same number always gives the same records, and seeding again adds only what is missing', async (t) => {
  const [one, two] = [await migratedDatabase(t), await migratedDatabase(t)]
  t.equal(await seed(one, 100), 100)
  t.equal(await seed(one, 250), 150)
  t.equal(await seed(one, 250), 0)
  t.equal(await seedIfEmpty(two, 250), 250)
  t.equal(await seedIfEmpty(two, 500), 0)
  const digest = 'select md5(string_agg(r::text, \',\' order by id)) as digest, count(distinct name)::int as names from records r'
  const [[a], [b]] = [await runSql(one, digest), await runSql(two, digest)]
  t.same(a?.rows, b?.rows)
  t.equal(a?.rows[0].names, 250)
})
