import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { Type } from 'typebox'
import { sql } from '../../src/sql.ts'
import { allowing } from '../helpers/allowlist.ts'
import { buildApp } from '../helpers/build-app.ts'
import { mcpClient } from '../helpers/mcp-client.ts'
import { emptyDatabase, migratedDatabase, runSql } from '../helpers/postgres.ts'

const main = await migratedDatabase(t)
const warehouse = await emptyDatabase(t)
await runSql(warehouse, 'create table parcels (id int)', 'insert into parcels values (1), (2), (3)')

async function start (t: Test, env: Record<string, string>): Promise<FastifyInstance> {
  return await buildApp(t, {
    env: { DATABASE_URL: main, ALLOWLIST_PATH: allowing(t, 'test_count_parcels', 'test_empty_warehouse', 'test_count_records'), DB_POOL_MIN: '0', DB_POOL_MAX: '1', ...env },
    extra: async (fastify) => {
      const tool = { description: 'x', effect: 'read' as const, input: Type.Object({}), output: Type.Object({ count: Type.Integer(), connections: Type.Integer() }) }
      fastify.tools.add({
        ...tool,
        name: 'test_count_parcels',
        database: 'test_warehouse',
        handler: async (_args, { db }) => {
          const pids = await Promise.all(Array.from({ length: 5 }, async () => await db.value<number>(sql`select pg_backend_pid()`)))
          return { count: await db.value<number>(sql`select count(*)::int from parcels`) ?? 0, connections: new Set(pids).size }
        }
      })
      fastify.tools.add({ ...tool, name: 'test_empty_warehouse', database: 'test_warehouse', handler: async (_args, { db }) => ({ count: await db.execute(sql`delete from parcels`), connections: 1 }) })
      fastify.tools.add({ ...tool, name: 'test_count_records', handler: async (_args, { db }) => ({ count: await db.value<number>(sql`select count(*)::int from records`) ?? 0, connections: 1 }) })
    }
  })
}

t.test('a tool that names a database reads it, under the rules of the first', async (t) => {
  const app = await start(t, { TEST_WAREHOUSE_DATABASE_URL: warehouse })
  const client = mcpClient(app)
  const result = async (name: string): Promise<any> => (await client.call(name)).message.result

  t.same((await result('test_count_parcels')).structuredContent, { count: 3, connections: 1 })
  t.same((await result('test_count_records')).structuredContent, { count: 0, connections: 1 })
  t.match(await result('test_empty_warehouse'), { isError: true, content: [{ text: /^The tool failed/ }] }, 'read-only')
  const answers = await Promise.all(Array.from({ length: 50 }, async () => await result('test_count_parcels')))
  t.ok(answers.every(({ structuredContent }) => structuredContent.count === 3), 'one connection serves many calls')
  t.match(app.settings.declared().find(({ name }) => name === 'TEST_WAREHOUSE_DATABASE_URL'), { owners: ['tool "test_count_parcels"', 'tool "test_empty_warehouse"'], isRequired: true }, 'as `npm run docs` sees it before the server is ready')
})

t.test('its outage is that of its tools alone', async (t) => {
  const doomed = await emptyDatabase(t)
  const client = mcpClient(await start(t, { TEST_WAREHOUSE_DATABASE_URL: doomed }))
  const { pathname } = new URL(doomed)
  await runSql(main, `alter database ${pathname.slice(1)} allow_connections false`, `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${pathname.slice(1)}'`)

  const { message } = await client.call('test_count_parcels')

  t.match(message.result, { isError: true, content: [{ text: /^The database is not available/ }], _meta: { 'io.portcullis/outcome': 'unavailable' } })
  t.same((await client.call('test_count_records')).message.result.structuredContent, { count: 0, connections: 1 })
})

t.test('a call that ends early ends its statement in PostgreSQL, in either database', async (t) => {
  const app = await buildApp(t, {
    env: { DATABASE_URL: main, TEST_WAREHOUSE_DATABASE_URL: warehouse, ALLOWLIST_PATH: allowing(t, 'test_sleep_here', 'test_sleep_there'), DB_POOL_MIN: '0', DB_POOL_MAX: '2' },
    extra: async (fastify) => {
      const tool = { description: 'x', effect: 'read' as const, input: Type.Object({}), output: Type.Object({}), limits: { timeoutMs: 100 } }
      for (const [name, database] of [['test_sleep_here', undefined], ['test_sleep_there', 'test_warehouse']] as const) {
        fastify.tools.add({ ...tool, name, database, handler: async (_args, { db }) => { await db.query(sql`select pg_sleep(600)`); return {} } })
      }
    }
  })
  const client = mcpClient(app)
  const running = async (): Promise<number> => (await runSql(main, 'select count(*)::int as n from pg_stat_activity where state = \'active\' and query like \'select pg_sleep(600)%\''))[0]?.rows[0].n

  const answers = await Promise.all(['test_sleep_here', 'test_sleep_there', 'test_sleep_here', 'test_sleep_there'].map(async (name) => await client.call(name)))

  for (const { message } of answers) t.equal(message.result._meta['io.portcullis/outcome'], 'timeout')
  while (await running() > 0);
})

t.test('a URL that is missing or wrong stops the boot by its name', async (t) => {
  await t.rejects(start(t, {}), { code: 'MCP_CONFIG_INVALID', message: /TEST_WAREHOUSE_DATABASE_URL is required \(tool "test_count_parcels"\)/ })
  await t.rejects(start(t, { TEST_WAREHOUSE_DATABASE_URL: 'mysql://x' }), { code: 'MCP_CONFIG_INVALID', message: /TEST_WAREHOUSE_DATABASE_URL must start with postgres/ })
  await t.rejects(start(t, { TEST_WAREHOUSE_DATABASE_URL: 'postgres://u:p#w@localhost/db' }), { code: 'MCP_DATABASE_REFUSED', message: /TEST_WAREHOUSE_DATABASE_URL/ })
  const nowhere = new URL(warehouse)
  nowhere.pathname = '/nowhere'
  await t.rejects(start(t, { TEST_WAREHOUSE_DATABASE_URL: nowhere.href }), { code: 'MCP_DATABASE_REFUSED', message: /TEST_WAREHOUSE_DATABASE_URL \(3D000\)/ })
})
