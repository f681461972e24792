import t from 'tap'
import { callEveryTool } from '../helpers/call-every-tool.ts'
import { cancelCall } from '../helpers/cancel-call.ts'
import { inspector } from '../helpers/inspector.ts'
import { twoServers } from '../helpers/two-servers.ts'

const { open, locked, key, records } = await twoServers(t)
const legacy = inspector(t, 'legacy') // its default
const modern = inspector(t, 'modern')

t.test('the Inspector calls every tool with an API key, and nothing without', async (t) => {
  await t.rejects((await legacy(locked.url)).list(), { code: 'auth_required' })
  await callEveryTool(t, await legacy(locked.url, { Authorization: `Bearer ${key}` }), { records, moreTools: ['slow_count'] })
})

t.test('the Inspector lists and calls in the revision of 2026-07-28', async (t) => {
  const client = await modern(locked.url, { 'X-API-Key': key })
  t.same(await client.list(), ['get_pool_status', 'get_record_detail', 'get_statistics', 'search_records', 'slow_count'])
  t.equal((await client.call('get_statistics', { group_by: 'type' })).structuredContent.total, records)
})

t.test('ending the Inspector cancels its call, and the next one is served', async (t) => {
  await cancelCall(t, await modern(open.url), open)
  t.same((await (await legacy(open.url)).call('slow_count', { to: 2, step_ms: 1 })).structuredContent, { counted: 2 })
})
