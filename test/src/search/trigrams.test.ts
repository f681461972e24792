import t from 'tap'
import { hasTrigram } from '../../../src/search/trigrams.ts'
import { migratedDatabase, runSql } from '../../helpers/postgres.ts'

t.test('three letters or digits in a row make a trigram, and so do fewer at the edge of a word', (t) => {
  for (const text of ['abc', 'a1b', 'ab cd', 'a b', 'ab.', ' a', '%abc', 'Ωμέγα', '日本語']) t.equal(hasTrigram(text), true, text)
  for (const text of ['', 'a', 'ab', '日本', '%%%', '...', 'a ', '- -', '__']) t.equal(hasTrigram(text), false, text)
  t.end()
})

t.test('PostgreSQL agrees: what has a trigram does not read the whole index', async (t) => {
  const url = await migratedDatabase(t)
  await runSql(url, 'insert into records (name) select md5(n::text) || \' ~ \' || n from generate_series(1, 2000) n', 'select gin_clean_pending_list(\'idx_records_name_trgm\')', 'analyze records')
  for (const text of ['zzz', 'zz qq', 'z q', 'zz.', ' z', 'zz', 'z', '...', '. ', 'z ']) {
    const [, , plan] = await runSql(url, 'set enable_seqscan = off', 'set enable_indexscan = off', `explain (analyze, costs off, timing off, summary off, format json) select from records where name ilike '%${text}%'`)
    const [{ Plan: { Plans: [index] } }] = plan?.rows[0]['QUERY PLAN']
    t.equal(index['Actual Rows'] < 2000, hasTrigram(text), text)
  }
})
