import t from 'tap'
import { seed } from '../../src/seed.ts'
import { migratedDatabase, runSql } from '../helpers/postgres.ts'

t.test('the same numbers give the same records, in one go or in two, and are added once', async (t) => {
  const [one, two] = [await migratedDatabase(t), await migratedDatabase(t)]
  const told: number[] = []
  t.equal(await seed(one, 60_000, (done) => { told.push(done) }), 60_000)
  t.same(told, [50_000, 60_000])

  t.equal(await seed(two, 100), 100)
  t.equal(await seed(two, 60_000), 59_900)
  t.equal(await seed(two, 60_000), 0)

  const digest = 'select md5(string_agg(r::text, \'|\' order by id)) from (select id, name, description, status, type, category, metadata, created_at from records) r'
  const [[first], [second]] = [await runSql(one, digest), await runSql(two, digest)]
  t.equal(first?.rows[0].md5, second?.rows[0].md5)
})

t.test('there are words for each kind of search', async (t) => {
  const url = await migratedDatabase(t)
  await seed(url, 20_000)
  const share = async (text: string): Promise<number> => (await runSql(url, `select avg((name || description ilike '%${text}%')::int)::float8 as share from records`))[0]?.rows[0].share
  t.equal(await share('sample'), 1)
  t.ok(Math.abs(await share('glacier') - 1 / 16) < 0.01)
  t.ok(Math.abs(await share('replicated') - 1 / 100) < 0.003)
})
