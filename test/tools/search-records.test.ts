import t from 'tap'
import searchRecords from '../../tools/search-records.ts'
import { buildApp } from '../helpers/build-app.ts'
import { fakeCall, fakeDb } from '../helpers/fake-call.ts'
import { loadTool, runTool } from '../helpers/load-tool.ts'
import { mcpClient } from '../helpers/mcp-client.ts'
import { migratedDatabase, runSql } from '../helpers/postgres.ts'
import { insertSampleRecords } from '../helpers/records.ts'

const row = { id: '1', name: 'A', description: null, status: 'active', type: null, category: null, created_at: '2026-01-01T00:00:00+00:00', total: 1 }

t.test('search_records over a fake database', async (t) => {
  const tool = await loadTool(t, 'search_records', searchRecords)

  t.test('search_records_returns_results: rows, total and the query', async (t) => {
    const db = fakeDb([row])
    const result = await runTool(tool, { query: 'a' }, fakeCall({ db }))

    t.match(result, { total: 1, query: 'a', limit: 20, offset: 0 })
    t.equal(result.results.length, 1)
    t.equal(db.asked.length, 1, 'page and total come from one statement')
  })

  t.test('search_records_enforces_max_limit: more than 100 counts as 100 and says so', async (t) => {
    for (const limit of [101, 500, 9999, Number.MAX_SAFE_INTEGER]) {
      const db = fakeDb([])
      t.equal((await runTool(tool, { query: '', limit }, fakeCall({ db }))).limit, 100)
      t.ok(db.asked[0]?.values.includes(101), 'one more tells whether there is a next page')
      if (limit > 101) t.notOk(db.asked[0]?.values.includes(limit))
    }
  })

  t.test('search_records_rejects_invalid_filter_column, naming the allowed ones', async (t) => {
    for (const filters of [{ name: 'x' }, { 'status; drop table records': 'x' }, { status: 1 }, 'status=active', [], { status: 'active', id: '1' }]) {
      await t.rejects(runTool(tool, { query: '', filters }, fakeCall()), { message: /Invalid filter column.*category, status, type/ })
    }
  })

  t.test('search_records_valid_filter is accepted', async (t) => {
    const db = fakeDb([{ ...row, id: null, total: 0 }])
    t.match(await runTool(tool, { query: '', filters: { status: 'active', type: null } }, fakeCall({ db })), { total: 0, results: [] })
    t.ok(db.asked[0]?.values.includes('active'))
  })

  t.test('search_records_propagates_db_errors to the pipeline', async (t) => {
    await t.rejects(runTool(tool, { query: 'x' }, fakeCall({ db: fakeDb(new Error('boom')) })), { message: 'boom' })
  })

  t.test('lower bounds, fractions, text and missing arguments are refused with the field', async (t) => {
    const cases: Array<[args: unknown, message: RegExp]> = [
      [{}, /query is required/],
      [{ query: 5 }, /query must be a string, not a number/],
      [{ query: 'x', limit: 0 }, /limit/],
      [{ query: 'x', limit: -1 }, /limit/],
      [{ query: 'x', limit: '20' }, /limit must be an integer, not a string/],
      [{ query: 'x', limit: 1.5 }, /limit must be an integer, not a fraction/],
      [{ query: 'x', limit: 1e300 }, /limit/],
      [{ query: 'x', offset: -1 }, /offset/],
      [{ query: 'x', offset: 10_001 }, /offset must be a whole number from 0 to 10000; go further with next_cursor/],
      [{ query: 'x', offset: 2 ** 63 }, /offset/],
      [{ query: 'x', order: 'oldest' }, /order/],
      [{ query: 'x', cursor: 5 }, /cursor/],
      [{ query: 'x', offset: 1, cursor: 'x' }, /cursor or offset, not both/],
      [{ query: 'x', page: 2 }, /"page".*allowed: cursor, filters, limit, offset,\s?order, query/],
      [{ query: 'x'.repeat(1001) }, /query/]
    ]
    for (const [args, message] of cases) await t.rejects(runTool(tool, args, fakeCall()), { message }, JSON.stringify(args).slice(0, 50))
  })
})

t.test('search_records on PostgreSQL', async (t) => {
  const url = await migratedDatabase(t)
  await insertSampleRecords(url)
  await runSql(url, 'insert into records (name, description) values (\'100% sure\', null), (\'under_score\', null), (\'back\\slash\', null), (\'far\', \'future\')', 'update records set created_at = \'infinity\' where name = \'far\'')
  const client = mcpClient(await buildApp(t, { env: { DATABASE_URL: url } }))
  const search = async (args: object): Promise<any> => (await client.call('search_records', args)).message.result.structuredContent

  t.test('returns_matching_records, in any case and in the description too', async (t) => {
    t.equal((await search({ query: 'INTEGRATION-fixture' })).total, 3)
    t.equal((await search({ query: 'sample 1' })).total, 1)
    t.equal((await search({ query: '' })).total, 7)
  })

  t.test('respects_limit', async (t) => {
    t.match(await search({ query: 'Integration', limit: 1 }), { limit: 1, total: 3, results: { length: 1 } })
  })

  t.test('pagination_offset: pages are disjoint and complete though all rows tie', async (t) => {
    const pages = await Promise.all([0, 1, 2].map(async (offset) => await search({ query: 'Integration', limit: 1, offset })))
    t.equal(new Set(pages.map(({ results }) => results[0].id)).size, 3)
    t.match(await search({ query: 'Integration', offset: 3 }), { total: 3, results: { length: 0 } }, 'an empty page still knows the total')
  })

  t.test('status_filter_restricts_results', async (t) => {
    const { results, total } = await search({ query: 'Integration', filters: { status: 'active' } })
    t.equal(total, 2)
    t.ok(results.every(({ status }: { status: string }) => status === 'active'))
    t.equal((await search({ query: 'Integration', filters: { status: 'active', category: 'cat2' } })).total, 0)
  })

  t.test('invalid_filter_column_raises for an injection as column name', async (t) => {
    const { message } = await client.call('search_records', { query: '', filters: { '1=1; --': 'x' } })
    t.equal(message.result.isError, true)
    t.match(message.result.content[0].text, /Invalid filter column/)
  })

  t.test('max_limit_capped_at_100', async (t) => {
    t.equal((await search({ query: '', limit: 9999 })).limit, 100)
  })

  t.test('response_shape', async (t) => {
    const page = await search({ query: 'Integration' })
    t.same(Object.keys(page).sort(), ['limit', 'offset', 'query', 'results', 'total'])
    t.same(Object.keys(page.results[0]).sort(), ['category', 'created_at', 'description', 'id', 'name', 'status', 'type'])
  })

  t.test('takes the special characters of LIKE literally', async (t) => {
    t.equal((await search({ query: '%' })).total, 1)
    t.equal((await search({ query: '_' })).total, 1)
    t.equal((await search({ query: '\\' })).total, 1)
    t.equal((await search({ query: '100%' })).results[0].name, '100% sure')
  })

  t.test('text that PostgreSQL can\'t store finds nothing and is echoed', async (t) => {
    for (const query of ['a\0b', '\ud800', '\udc00x', 'Integration\0']) t.match(await search({ query }), { total: 0, query })
  })

  t.test('times keep their microseconds, and infinity is a legal one', async (t) => {
    t.match((await search({ query: 'Integration' })).results[0].created_at, /^2026-01-01T00:00:00\.123456(Z|\+00:00)$/)
    t.equal((await search({ query: 'far' })).results[0].created_at, 'infinity')
  })

  t.test('next_cursor leads through all pages, though all rows tie, and is absent at the end', async (t) => {
    const first = await search({ query: 'Integration', limit: 1 })
    const second = await search({ query: 'Integration', limit: 1, cursor: first.next_cursor })
    const third = await search({ query: 'Integration', limit: 2, cursor: second.next_cursor })
    t.equal(new Set([first, second, third].map(({ results }) => results[0].id)).size, 3)
    t.same([first.total, second.total, third.total], [3, 3, 3])
    t.notOk('next_cursor' in third)
  })

  t.test('a cursor goes on where time is infinite, and by rank', async (t) => {
    for (const order of ['newest', 'rank']) {
      const ids = []
      for (let cursor, page; ids.length === 0 || cursor !== undefined; cursor = page.next_cursor) {
        page = await search({ query: 'a', order, limit: 1, cursor })
        ids.push(page.results[0].id)
      }
      t.equal(new Set(ids).size, 5, order)
      t.equal(ids.length, 5)
    }
  })

  t.test('rank puts whole words and names first', async (t) => {
    await runSql(url, 'insert into records (name, description, created_at) values (\'xylem map\', null, \'2000-01-01\'), (\'other\', \'of xylem\', \'2001-01-01\'), (\'xylematic\', null, \'2002-01-01\')')
    t.same((await search({ query: 'xylem', order: 'rank' })).results.map(({ name }: { name: string }) => name), ['xylem map', 'other', 'xylematic'])
    t.same((await search({ query: 'xylem' })).results.map(({ name }: { name: string }) => name), ['xylematic', 'other', 'xylem map'])
  })

  t.test('a cursor of another search, or made up, says how to go on', async (t) => {
    const { next_cursor: cursor } = await search({ query: 'Integration', limit: 1 })
    for (const args of [{ query: 'integration', cursor }, { query: 'Integration', order: 'rank', cursor }, { query: 'Integration', filters: { status: 'active' }, cursor }, { query: 'Integration', cursor: 'made-up' }]) {
      const { message } = await client.call('search_records', args)
      t.match(message.result, { isError: true, content: [{ text: /Start again without the cursor/ }] })
    }
  })
})
