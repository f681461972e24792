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
