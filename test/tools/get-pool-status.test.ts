import t from 'tap'
import getPoolStatus from '../../tools/get-pool-status.ts'
import { buildApp } from '../helpers/build-app.ts'
import { fakeCall } from '../helpers/fake-call.ts'
import { loadTool, runTool } from '../helpers/load-tool.ts'
import { mcpClient } from '../helpers/mcp-client.ts'

t.test('get_pool_status_returns_healthy', async (t) => {
  const status = { status: 'healthy', size: 5, idle: 5, min_size: 5, max_size: 20, waiting: 0, acquire_wait_ms: 3, oldest_borrow_ms: 0 }
  const tool = await loadTool(t, 'get_pool_status', getPoolStatus, { db: { status: async () => status } })

  t.same(await runTool(tool, {}, fakeCall()), { server: 'healthy', database: status })
})

t.test('health_check_returns_healthy on PostgreSQL, with the bounds of the pool', async (t) => {
  const client = mcpClient(await buildApp(t, { env: { DB_POOL_MIN: '2', DB_POOL_MAX: '5' } }))

  const { database } = (await client.call('get_pool_status')).message.result.structuredContent

  t.match(database, { status: 'healthy', min_size: 2, max_size: 5, size: 2, idle: 2, waiting: 0, oldest_borrow_ms: 0 })
  t.type(database.acquire_wait_ms, 'number')
})
