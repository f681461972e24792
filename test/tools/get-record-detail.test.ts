import t from 'tap'
import getRecordDetail from '../../tools/get-record-detail.ts'
import { buildApp } from '../helpers/build-app.ts'
import { fakeCall, fakeDb } from '../helpers/fake-call.ts'
import { loadTool, runTool } from '../helpers/load-tool.ts'
import { mcpClient } from '../helpers/mcp-client.ts'
import { migratedDatabase, runSql } from '../helpers/postgres.ts'
import { insertSampleRecords } from '../helpers/records.ts'

const unknownId = '00000000-0000-4000-8000-000000000000'

t.test('get_record_detail over a fake database', async (t) => {
  const tool = await loadTool(t, 'get_record_detail', getRecordDetail)

  t.test('get_record_detail_found: id and name', async (t) => {
    const db = fakeDb([{ id: unknownId, name: 'A' }])
    t.match(await runTool(tool, { record_id: unknownId.toUpperCase() }, fakeCall({ db })), { id: unknownId, name: 'A' })
  })

  t.test('get_record_detail_not_found: a ToolError with the contract\'s keys, without asking for what is no UUID', async (t) => {
    const db = fakeDb()
    await t.rejects(runTool(tool, { record_id: 'nonexistent-id' }, fakeCall({ db })), { code: 'not_found', message: 'Record \'nonexistent-id\' not found', data: { record_id: 'nonexistent-id' } })
    t.equal(db.asked.length, 0)
  })
})

t.test('get_record_detail on PostgreSQL', async (t) => {
  const url = await migratedDatabase(t)
  const [id] = await insertSampleRecords(url)
  await runSql(url, `insert into records (id, name, metadata) values
    ('11111111-1111-4111-8111-111111111111', 'big', '{"big": 9007199254740993, "list": [12345678901234567890, 0.1], "text": "9007199254740993"}'),
    ('33333333-3333-4333-8333-333333333333', 'list', '[1, 2]'),
    ('22222222-2222-4222-8222-222222222222', 'bare', null)`)
  const client = mcpClient(await buildApp(t, { env: { DATABASE_URL: url } }))

  t.test('returns_full_record_for_known_id', async (t) => {
    const record = (await client.call('get_record_detail', { record_id: id })).message.result.structuredContent
    t.equal(record.id, id)
    t.same(record.metadata, { a: 1 }, 'an object, not text')
    for (const key of ['name', 'description', 'status', 'metadata', 'created_at', 'updated_at']) t.ok(record[key], key)
    t.ok(Number.isFinite(Date.parse(record.updated_at)))
  })

  t.test('returns_error_dict_for_missing_id, visible as a failure', async (t) => {
    for (const record_id of [unknownId, 'nonexistent-id', '', 'x\0', '\'; drop table records; --']) {
      const { message } = await client.call('get_record_detail', { record_id })
      t.equal(message.error, undefined, 'does_not_raise_for_missing_id')
      t.equal(message.result.isError, true)
      t.equal(message.result.structuredContent, undefined, 'the output schema has no such keys')
      t.same(JSON.parse(message.result.content[0].text), { error: `Record '${record_id}' not found`, record_id })
    }
  })

  t.test('whole numbers beyond 2^53 in metadata come out as text instead of other numbers', async (t) => {
    const { metadata } = (await client.call('get_record_detail', { record_id: '11111111-1111-4111-8111-111111111111' })).message.result.structuredContent
    t.same(metadata, { big: '9007199254740993', list: ['12345678901234567890', 0.1], text: '9007199254740993' })
  })

  t.test('metadata that is no object is wrapped in one', async (t) => {
    t.same((await client.call('get_record_detail', { record_id: '33333333-3333-4333-8333-333333333333' })).message.result.structuredContent.metadata, { value: [1, 2] })
  })

  t.test('a record without values has nulls, not empty texts', async (t) => {
    const record = (await client.call('get_record_detail', { record_id: '22222222-2222-4222-8222-222222222222' })).message.result.structuredContent
    t.match(record, { description: null, type: null, category: null, metadata: null, status: 'active' })
  })
})
