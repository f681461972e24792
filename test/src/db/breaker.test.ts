import t from 'tap'
import { createBreaker } from '../../../src/db/breaker.ts'
import { createRetries } from '../../../src/db/retries.ts'
import { sql } from '../../../src/sql.ts'
import { faultProxy } from '../../helpers/fault-proxy.ts'
import { lenderOn } from '../../helpers/lender.ts'
import { emptyDatabase } from '../../helpers/postgres.ts'

t.test('opens after three failures in a row, and closes when the probe is answered', async (t) => {
  const answers = [false, false, true]
  const told: string[] = []
  const breaker = createBreaker({
    probe: async () => {
      told.push('asked')
      return answers.shift() ?? false
    },
    onOpen: () => { told.push('open') },
    onClose: () => { closed() }
  })
  let closed = (): void => {}
  const closing = new Promise<void>((resolve) => { closed = resolve })
  for (let time = 0; time < 2; time++) breaker.failed()
  breaker.succeeded()
  for (let time = 0; time < 2; time++) breaker.failed()
  t.equal(breaker.isOpen(), false, 'not in a row')
  for (let time = 0; time < 2; time++) breaker.failed()
  t.equal(breaker.isOpen(), true)
  const alive = setInterval(() => {}, 1_000) // the breaker itself keeps no process up
  await closing
  clearInterval(alive)
  t.equal(breaker.isOpen(), false)
  t.same(told, ['open', 'asked', 'asked', 'asked'])
  breaker.failed()
  t.equal(breaker.isOpen(), false, 'it counts from the beginning')
  breaker.stop()
})

t.test('retries are a tenth of what is asked', async (t) => {
  const retries = createRetries()
  const lost = { code: '08006' }
  let asked = 0
  for (let call = 0; call < 1_000; call++) {
    for (let tries = 1; ; tries++) {
      if (tries === 1) retries.count()
      asked++
      if (!retries.mayRetry(lost, tries)) break
    }
  }
  t.ok(asked <= 1_100, `${asked} of 1,000`)
  t.ok(asked >= 1_090)
  for (let count = 0; count < 1_000; count++) retries.count()
  t.equal(retries.mayRetry({ code: '23505' }, 1), false)
  t.equal(retries.mayRetry(lost, 3), false, 'no fourth try')
})

t.test('while the database is away calls are refused at once, and served again by themselves', async (t) => {
  const url = await emptyDatabase(t)
  for (const fault of ['refuse', 'blackhole'] as const) {
    const proxy = await faultProxy(t, url)
    const { lend, log } = await lenderOn(t, proxy.url, { directUrl: url, timeoutMs: 1_000 })
    const ask = async (): Promise<unknown> => {
      const lease = lend()
      try {
        return await lease.db.value(sql`select 1`)
      } finally {
        await lease.end()
      }
    }
    t.equal(await ask(), 1)
    proxy[fault]()
    proxy.reset()
    for (let call = 0; call < 8; call++) await t.rejects(ask(), { code: 'MCP_DATABASE_UNAVAILABLE' })
    const since = performance.now()
    for (let call = 0; call < 100; call++) await t.rejects(ask(), { code: 'MCP_DATABASE_UNAVAILABLE', reason: 'database' })
    t.ok(performance.now() - since < 100 * 1_000 / 2, 'without waiting for a connection each')
    await proxy.restore()
    let answer: unknown
    for (const deadline = Date.now() + 10_000; answer !== 1 && Date.now() < deadline;) answer = await ask().catch(async () => { await new Promise(setImmediate) })
    t.equal(answer, 1, fault)
    t.equal(log.filter((line) => line.variable === 'DATABASE_URL' && line.code === undefined).length, 2, 'told once when it began and once when it was over')
  }
})
