import t from 'tap'
import { callEveryTool } from '../helpers/call-every-tool.ts'
import { cancelCall } from '../helpers/cancel-call.ts'
import { inspector } from '../helpers/inspector.ts'
import { twoServers } from '../helpers/two-servers.ts'

const { locked, key, records } = await twoServers(t)
const legacy = inspector(t, 'legacy') // its default
const modern = inspector(t, 'modern')

t.test('the Inspector calls every tool with an API key, and nothing without', async (t) => {
  await t.rejects((await legacy(locked.url)).list(), { code: 'auth_required' })
  await callEveryTool(t, await legacy(locked.url, { Authorization: `Bearer ${key}` }), { records, moreTools: ['slow_count'] })
})

// Every request is a process of its own, so the second revision gets no more of them than it needs.
t.test('in revision 2026-07-28 its end cancels its call, and the next one is served', async (t) => {
  const client = await modern(locked.url, { 'X-API-Key': key })
  await cancelCall(t, client, locked)
  t.equal((await client.call('get_statistics', { group_by: 'type' })).structuredContent.total, records)
})
