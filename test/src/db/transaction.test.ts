import pg from 'pg'
import t from 'tap'
import { commit } from '../../../src/db/transaction.ts'
import { sql } from '../../../src/sql.ts'
import { faultProxy } from '../../helpers/fault-proxy.ts'
import { lenderOn, untilSeen } from '../../helpers/lender.ts'
import { emptyDatabase, runSql } from '../../helpers/postgres.ts'

// A COMMIT takes as long as the test likes: a deferred trigger waits for a lock that the test holds.
const schema = [
  'create table notes (id int primary key)',
  'create function wait_for_test () returns trigger language plpgsql as $$ begin perform pg_advisory_xact_lock(7); return null; end $$',
  'create constraint trigger waits after insert on notes deferrable initially deferred for each row execute function wait_for_test()'
]
const committing = 'wait_event_type = \'Lock\' and query = \'commit\''

t.test('the answer to a COMMIT is lost', async (t) => {
  const url = await emptyDatabase(t)
  await runSql(url, ...schema)
  const proxy = await faultProxy(t, url)
  const { lend } = await lenderOn(t, proxy.url, { directUrl: url })

  const lose = async (id: number, then: (pid: number, release: () => Promise<unknown>) => Promise<unknown>): Promise<Promise<void>[]> => {
    const holder = new pg.Client({ connectionString: url })
    await holder.connect()
    await holder.query('select pg_advisory_lock(7)')
    const lease = lend({ effect: 'write' })
    await lease.db.execute(sql`insert into notes values (${id})`)
    const committed = lease.commit()
    committed.catch(() => {})
    const pid = await untilSeen(url, committing)
    proxy.reset()
    await then(pid, async () => await holder.query('select pg_advisory_unlock(7)'))
    await committed.finally(async () => {
      await lease.end()
      await holder.end()
    }).catch(() => {})
    return [committed]
  }
  const exists = async (id: number): Promise<boolean> => (await runSql(url, `select 1 from notes where id = ${id}`))[0]?.rowCount === 1

  const [committed] = await lose(1, async (_pid, release) => { await release() })
  await t.resolves(committed as Promise<void>, 'it is looked up: the transaction was committed')
  t.equal(await exists(1), true)

  const [aborted] = await lose(2, async (pid) => { await runSql(url, `select pg_terminate_backend(${pid})`) })
  await t.rejects(aborted as Promise<void>, { code: 'MCP_DATABASE_UNAVAILABLE', reason: 'database' }, 'it was not')
  t.equal(await exists(2), false)
})

t.test('only what the server says is believed', async (t) => {
  const failing = (error: object): pg.ClientBase => ({ query: async () => { throw Object.assign(new Error(), error) } }) as never
  await t.resolves(commit(failing({ code: 'EHOSTUNREACH' }), '1', async () => 'committed'), 'lost on the way, and looked up')
  await t.resolves(commit(failing({ message: 'whatever the driver says' }), '1', async () => 'committed'))
  await t.rejects(commit(failing({ code: 'EHOSTUNREACH' }), '1', async () => 'aborted'), { code: 'EHOSTUNREACH' })
  await t.rejects(commit(failing({ severity: 'ERROR', code: '23505' }), '1', async () => { throw new Error('is not asked') }), { code: '23505' })
})
