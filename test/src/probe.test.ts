import t from 'tap'
import { createProbe } from '../../src/probe.ts'
import { faultProxy } from '../helpers/fault-proxy.ts'
import { emptyDatabase, runSql } from '../helpers/postgres.ts'

t.test('one missed question is no news, two in a row are', async (t) => {
  const url = await emptyDatabase(t)
  const database = await faultProxy(t, url)
  const probe = createProbe(database.url)
  t.teardown(probe.close)
  t.equal(await probe.ask(), true)

  let questions = 0
  const now = performance.now
  performance.now = () => questions++ * 10_000 // an answer is never fresh
  t.teardown(() => { performance.now = now })
  database.reset()
  t.equal(await probe.ask(), true, 'the connection was lost, the next one works')
  database.refuse()
  database.reset()
  let answers = 0
  while (await probe.ask()) answers++
  t.ok(answers >= 1, 'the first refusal changed nothing')
})

t.test('its answer is kept, its questions do not pile up, and it is one connection', async (t) => {
  const url = await emptyDatabase(t)
  const probe = createProbe(url)
  t.teardown(probe.close)
  t.same(new Set(await Promise.all(Array.from({ length: 100 }, async () => await probe.ask()))), new Set([true]))
  const [count] = await runSql(url, "select count(*)::int as n from pg_stat_activity where application_name = 'portcullis-probe' and datname = current_database()")
  t.same(count?.rows, [{ n: 1 }])
  await probe.close()
  t.equal(await probe.ask(), false)
})

t.test('a database that was never there is not waited for twice', async (t) => {
  const database = await faultProxy(t, await emptyDatabase(t))
  database.refuse()
  const probe = createProbe(database.url)
  t.teardown(probe.close)
  t.equal(await probe.ask(), false)
  await database.restore()
})
