import t from 'tap'
import { Type } from 'typebox'
import { sql } from '../../src/sql.ts'
import { allowing } from '../helpers/allowlist.ts'
import { buildApp } from '../helpers/build-app.ts'
import { mcpClient } from '../helpers/mcp-client.ts'
import { migratedDatabase, runSql } from '../helpers/postgres.ts'
import { insertSampleRecords } from '../helpers/records.ts'

const calls = 1_000

// Everybody at the pool at once, more than may wait there; and as it is by default, in a queue before it.
const settings: Array<{ env: Record<string, string>, outcomes: RegExp }> = [
  { env: { CALL_CONCURRENCY: String(2 * calls), CALL_CONCURRENCY_PER_PRINCIPAL: String(2 * calls) }, outcomes: /^test_greedy (error|unavailable)$|^(?!test_greedy).* (ok|unavailable)$/ },
  { env: { CALL_QUEUE_PER_PRINCIPAL: String(calls) }, outcomes: /^test_greedy error$|^(?!test_greedy).* ok$/ }
]

t.test('a pool of one connection serves a thousand calls at once, of every tool: none waits for itself', async (t) => {
  const url = await migratedDatabase(t)
  const [id] = await insertSampleRecords(url)
  const argsOf: Record<string, object> = { search_records: { query: 'a' }, get_record_detail: { record_id: id }, get_statistics: {}, get_pool_status: {}, update_record_status: { record_id: id, status: 'active' }, test_parallel: {}, test_greedy: {} }
  const names = Object.keys(argsOf)

  for (const { env, outcomes } of settings) {
    const app = await buildApp(t, {
      env: { DATABASE_URL: url, DB_POOL_MIN: '1', DB_POOL_MAX: '1', ALLOWLIST_PATH: allowing(t, ...names), CALL_QUEUE_TIMEOUT_MS: '300000', DB_ACQUIRE_TIMEOUT_MS: '60000', CALL_TIMEOUT_MS: '600000', ...env },
      extra: async (fastify) => {
        const tool = { description: 'x', effect: 'read' as const, input: Type.Object({}), output: Type.Object({ n: Type.Integer() }) }
        fastify.tools.add({ ...tool, name: 'test_parallel', handler: async (_args, { db }) => ({ n: (await Promise.all([1, 2, 3].map(async (n) => await db.value<number>(sql`select ${n}::int`)))).length }) })
        fastify.tools.add({
          ...tool,
          name: 'test_greedy',
          async handler (_args, { db }) {
            await db.value(sql`select 1`)
            const another = await fastify.pg.connect().catch(() => undefined)
            if (another !== undefined) return { n: -1 } // which is no error
            return (await fastify.pg.query('select 1 as n')).rows[0]
          }
        })
      }
    })
    const client = mcpClient(app)

    const answers = await Promise.all(Array.from({ length: calls }, async (_, index) => {
      const name = names[index % names.length] as string
      const { message } = await client.call(name, argsOf[name])
      return `${name} ${message.result === undefined ? JSON.stringify(message.error) : String(message.result._meta?.['io.portcullis/outcome'] ?? 'ok')}`
    }))

    for (const answer of new Set(answers)) t.match(answer, outcomes, `${answer}: ${answers.filter((one) => one === answer).length}`)
    t.ok(answers.some((answer) => answer.endsWith(' ok')))
    t.equal((await client.call('test_parallel')).message.result.structuredContent.n, 3, 'and goes on')
    t.equal((await runSql(url, 'select count(*)::int as n from pg_stat_activity where datname = current_database() and state like \'idle in%\''))[0]?.rows[0].n, 0)
  }
})
