import { existsSync } from 'node:fs'
import t from 'tap'
import { Type } from 'typebox'
import { sql } from '../../src/sql.ts'
import { allowing } from '../helpers/allowlist.ts'
import { buildApp } from '../helpers/build-app.ts'
import { mcpClient } from '../helpers/mcp-client.ts'
import { pgbouncer, pgbouncerProgram } from '../helpers/pgbouncer.ts'
import { migratedDatabase, runSql, serverUrl } from '../helpers/postgres.ts'
import { seed } from '../../src/seed.ts'

const bin = pgbouncerProgram(existsSync)
const skip = bin === undefined ? 'leg not run: pgbouncer is not installed; .ci/run installs it' : false

// R8. A release before 1.21, as Debian 12 has it, keeps no prepared statements in transaction mode.
t.test('through PgBouncer in transaction mode', { skip }, async (t) => {
  const url = await migratedDatabase(t)
  await seed(url, 500)
  const [row] = (await runSql(url, 'select id from records order by id limit 1'))[0]?.rows ?? []
  const names = ['search_records', 'get_record_detail', 'get_statistics', 'get_pool_status', 'update_record_status', 'test_sleep', 'test_tenant', 'test_residue']
  const own = serverUrl(url)
  const start = async (databaseUrl: string) => mcpClient(await buildApp(t, {
    env: { DATABASE_URL: databaseUrl, DATABASE_DIRECT_URL: own, MIGRATION_DATABASE_URL: url, DB_PREPARED_STATEMENTS: String(databaseUrl === own), ALLOWLIST_PATH: allowing(t, ...names), DB_POOL_MAX: '8', DB_POOL_MIN: '2' },
    extra: async (fastify) => {
      const tool = { description: 'x', effect: 'read' as const, input: Type.Object({}), output: Type.Object({ n: Type.Integer() }) }
      fastify.tools.add({ ...tool, name: 'test_sleep', limits: { timeoutMs: 300 }, handler: async (_args, { db }) => ({ n: Number(await db.value(sql`select count(*)::int from pg_sleep(600) /* through */`)) }) })
      fastify.tools.add({ ...tool, name: 'test_tenant', handler: async (_args, { db }) => ({ n: (await db.value<string | null>(sql`select nullif(current_setting('portcullis.tenant', true), '')`)) === null ? 0 : 1 }) })
      fastify.tools.add({ ...tool, name: 'test_residue', handler: async (_args, { db }) => ({ n: await db.value<number>(sql`select count(*)::int from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()`) ?? 0 }) })
    }
  }))
  const [direct, pooled] = [await start(own), await start(await pgbouncer(t, bin as string, own))]
  const bothWays = async (name: string, args: object): Promise<void> => {
    const [one, other] = [await direct.call(name, args), await pooled.call(name, args)]
    t.same(comparable(other.message.result), comparable(one.message.result), `${name} ${JSON.stringify(args)}`)
    t.equal(other.status, one.status)
  }

  await bothWays('search_records', { query: 'sample', limit: 5 })
  await bothWays('search_records', { query: 'river', filters: { status: 'active' }, offset: 2 })
  await bothWays('search_records', { query: '%' })
  await bothWays('get_record_detail', { record_id: row.id })
  await bothWays('get_record_detail', { record_id: 'nope' })
  await bothWays('get_statistics', { group_by: 'type' })
  await bothWays('test_tenant', {})
  await bothWays('test_residue', {})
  await direct.call('update_record_status', { record_id: row.id, status: 'archived' })
  const change = (await pooled.call('update_record_status', { record_id: row.id, status: 'inactive' })).message.result
  t.match(change.structuredContent, { status: 'inactive', previous_status: 'archived' }, 'a write is committed')
  t.match((await pooled.call('get_pool_status')).message.result.structuredContent, { database: { status: 'healthy' } })

  const answers = await Promise.all(Array.from({ length: 200 }, async (_, index) => (await pooled.call('search_records', { query: `#${index + 1}`, limit: 1 })).message.result.structuredContent?.query))
  t.same(answers, Array.from({ length: 200 }, (_, index) => `#${index + 1}`), 'two hundred at once on three connections, each its own')

  t.match((await pooled.call('test_sleep')).message.result, { isError: true, _meta: { 'io.portcullis/outcome': 'timeout' } })
  const running = 'select 1 from pg_stat_activity where state = \'active\' and query like \'%600) /* through%\' and pid <> pg_backend_pid()'
  for (const deadline = Date.now() + 20_000; ((await runSql(url, running))[0]?.rowCount ?? 0) > 0;) if (Date.now() > deadline) throw new Error('the statement was not cancelled')
  t.pass('a call that ends early ends its statement behind the pooler')
})

/** A cursor is sealed anew each time, and each call has an id of its own. */
function comparable (result: unknown): unknown {
  return JSON.parse(JSON.stringify(result).replaceAll(/,\\?"next_cursor\\?":\\?"[\w-]+\\?"|,"io\.portcullis\/callId":"[^"]+"/g, ''))
}
