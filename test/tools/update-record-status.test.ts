import t from 'tap'
import updateRecordStatus from '../../tools/update-record-status.ts'
import { allowlistFile } from '../helpers/allowlist.ts'
import { buildApp } from '../helpers/build-app.ts'
import { fakeCall, fakeDb } from '../helpers/fake-call.ts'
import { loadTool, runTool } from '../helpers/load-tool.ts'
import { mcpClient } from '../helpers/mcp-client.ts'
import { migratedDatabase, runSql } from '../helpers/postgres.ts'
import { insertSampleRecords } from '../helpers/records.ts'

const unknownId = '00000000-0000-4000-8000-000000000000'

t.test('update_record_status over a fake database', async (t) => {
  const tool = await loadTool(t, 'update_record_status', updateRecordStatus)
  t.match(tool.definition.annotations, { readOnlyHint: false, destructiveHint: true, idempotentHint: true })
  await t.rejects(runTool(tool, { record_id: 'nope', status: 'active' }, fakeCall({ db: fakeDb() })), { code: 'not_found', data: { record_id: 'nope' } })
  await t.rejects(runTool(tool, { record_id: unknownId, status: 'gone' }, fakeCall()), { message: 'Invalid status. status is a string; allowed: active, archived, inactive' })
})

t.test('update_record_status on PostgreSQL', async (t) => {
  const url = await migratedDatabase(t)
  const [id] = await insertSampleRecords(url)
  const stored = async (): Promise<{ status: string, changed: boolean }> => (await runSql(url, `select status, updated_at > created_at as changed from records where id = '${id}'`))[0]?.rows[0]
  const client = mcpClient(await buildApp(t, { env: { DATABASE_URL: url, ALLOWLIST_PATH: allowlistFile(t, 'allowed_tools: [update_record_status]') } }))
  const set = async (status: string, recordId = id) => (await client.call('update_record_status', { record_id: recordId, status })).message.result

  const before = await stored()
  t.match((await set('archived')).structuredContent, { id, status: 'archived', previous_status: before.status, updated_at: /^\d{4}-.*\+00:00$/ })
  t.match(await stored(), { status: 'archived' })
  t.match((await set('archived')).structuredContent, { previous_status: 'archived' })
  t.match(await set('active', unknownId), { isError: true, content: [{ text: /not found/ }] })
  t.match(await set('gone'), { isError: true })
  t.match(await stored(), { status: 'archived' })

  await Promise.all(Array.from({ length: 20 }, async (_, index) => { t.notOk((await set(index % 2 === 0 ? 'active' : 'inactive')).isError) }))
  t.match(await stored(), { status: /^(in)?active$/ }, 'writes to one record take turns')
})

t.test('it is not in the allowlist that ships', async (t) => {
  const client = mcpClient(await buildApp(t, { env: { ALLOWLIST_PATH: 'config/allowlist.yaml' } }))
  t.match((await client.call('update_record_status', { record_id: unknownId, status: 'active' })).message, { error: { code: -32602 } })
})
