import t from 'tap'
import getStatistics from '../../tools/get-statistics.ts'
import { buildApp } from '../helpers/build-app.ts'
import { fakeCall, fakeDb } from '../helpers/fake-call.ts'
import { loadTool, runTool } from '../helpers/load-tool.ts'
import { mcpClient } from '../helpers/mcp-client.ts'
import { migratedDatabase, runSql } from '../helpers/postgres.ts'
import { insertSampleRecords } from '../helpers/records.ts'

t.test('get_statistics over a fake database', async (t) => {
  const tool = await loadTool(t, 'get_statistics', getStatistics)

  t.test('get_statistics_valid_group_by: the total is the sum of the groups', async (t) => {
    const db = fakeDb([{ label: 'active', count: 42 }, { label: 'inactive', count: 8 }])
    const result = await runTool(tool, { group_by: 'status' }, fakeCall({ db }))
    t.match(result, { group_by: 'status', total: 50, breakdown: { length: 2 } })
  })

  t.test('get_statistics_invalid_group_by_raises, naming the allowed ones', async (t) => {
    for (const group_by of ['name', 'id; drop table records', '', 5, ['status']]) {
      await t.rejects(runTool(tool, { group_by }, fakeCall()), { message: /Invalid group_by field.*category, status, type/ })
    }
  })

  t.test('get_statistics rejects an invalid filter column, naming the allowed ones', async (t) => {
    for (const filters of [{ name: 'x' }, { status: 1 }, 'status=active']) {
      await t.rejects(runTool(tool, { filters }, fakeCall()), { message: /Invalid filter column.*category, status, type/ })
    }
  })

  t.test('what was counted a moment ago is not counted again, for the same tenant', async (t) => {
    const tool = await loadTool(t, 'get_statistics', getStatistics)
    const ask = async (args: object, tenant?: string): Promise<number> => {
      const db = fakeDb([{ label: 'active', count: 1 }])
      await runTool(tool, args, fakeCall({ db, principal: { id: 'ann', kind: 'oauth', roles: [], tenant } }))
      return db.asked.length
    }
    t.same([await ask({}), await ask({ group_by: 'status' }), await ask({ group_by: 'type' })], [1, 0, 1])
    t.same([await ask({}, 'acme'), await ask({}, 'acme'), await ask({}, 'other')], [1, 0, 1], 'tenants share nothing')
    t.same([await ask({ filters: { status: 'x' } }), await ask({ filters: { status: 'x' } })], [1, 1], 'a filter is text of the client, and no key')
  })
})

t.test('get_statistics on PostgreSQL', async (t) => {
  const url = await migratedDatabase(t)
  await insertSampleRecords(url)
  await runSql(url, 'insert into records (name) values (\'untyped\')')
  const client = mcpClient(await buildApp(t, { env: { DATABASE_URL: url } }))
  const count = async (args: object): Promise<any> => (await client.call('get_statistics', args)).message.result.structuredContent

  t.test('groups_by_status without being told, largest group first', async (t) => {
    t.same(await count({}), { group_by: 'status', total: 4, breakdown: [{ label: 'active', count: 3 }, { label: 'inactive', count: 1 }] })
  })

  t.test('groups_by_type; records without one are a group of their own', async (t) => {
    const { breakdown } = await count({ group_by: 'type' })
    t.same(breakdown, [{ label: 'typeA', count: 2 }, { label: 'typeB', count: 1 }, { label: null, count: 1 }])
  })

  t.test('filters count some of them only', async (t) => {
    t.same(await count({ group_by: 'type', filters: { status: 'active', type: 'typeA' } }), { group_by: 'type', total: 2, breakdown: [{ label: 'typeA', count: 2 }] })
    t.same(await count({ filters: { category: 'none' } }), { group_by: 'status', total: 0, breakdown: [] })
  })

  t.test('a large table is counted in its small index alone', async (t) => {
    const url = await migratedDatabase(t)
    await runSql(url, 'insert into records (name, status, type, category) select repeat(\'x\', 100), \'s\' || n % 3, \'t\' || n % 4, \'c\' || n % 5 from generate_series(1, 20000) n', 'vacuum analyze records')
    for (const name of ['status', 'type', 'category']) {
      const [plan] = await runSql(url, `explain select ${name}, count(*)::int from records group by 1`)
      t.match(JSON.stringify(plan?.rows), /Index Only Scan using idx_records_counts/)
    }
  })

  t.test('total_equals_sum_of_breakdown for every column', async (t) => {
    for (const group_by of ['status', 'type', 'category']) {
      const { total, breakdown } = await count({ group_by })
      t.equal(total, breakdown.reduce((sum: number, group: { count: number }) => sum + group.count, 0))
    }
  })

  t.test('invalid_group_by_raises for an injection', async (t) => {
    const { message } = await client.call('get_statistics', { group_by: 'status from records; --' })
    t.match(message.result, { isError: true, content: [{ text: /Invalid group_by field/ }] })
  })

  t.test('response_shape', async (t) => {
    const result = await count({})
    t.same(Object.keys(result).sort(), ['breakdown', 'group_by', 'total'])
    t.same(Object.keys(result.breakdown[0]).sort(), ['count', 'label'])
  })
})
