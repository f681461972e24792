import { once } from 'node:events'
import pg from 'pg'
import t, { type Test } from 'tap'
import { createLeases } from '../../../src/limits/leases.ts'
import { askPostgres } from '../../../src/limits/store.ts'
import { migratedDatabase, runSql, serverUrl } from '../../helpers/postgres.ts'

/** What each replica has: a small pool of its own, of a role that reads by default. */
function replica (t: Test, url: string) {
  const pool = new pg.Pool({ connectionString: serverUrl(url), max: 2, connectionTimeoutMillis: 5_000 })
  pool.on('error', () => {})
  t.teardown(async () => { await pool.end() })
  return askPostgres(pool)
}

t.test('replicas that take from one bucket at once get what it holds and refills, no token more', async (t) => {
  const url = await migratedDatabase(t)
  for (const perMinute of [10, 600]) {
    const replicas = Array.from({ length: 4 }, () => createLeases(replica(t, url).ask))
    const startedAt = performance.now()
    let taken = 0
    await Promise.all(replicas.map(async ({ take }) => {
      for (let call = 0; call < 400; call++) if (await take(`caller ${perMinute}`, perMinute) === 0) taken++
    }))
    const most = perMinute + (performance.now() - startedAt) * perMinute / 60_000
    t.ok(taken >= perMinute * 0.9, `${taken} of ${perMinute}`)
    t.ok(taken <= most, `${taken} of at most ${most}`)
  }
})

t.test('buckets refill by the clock of the database, and full ones are deleted', async (t) => {
  const url = await migratedDatabase(t)
  const { ask, forgetFull } = replica(t, url)
  t.match(await ask('k', 60, 60, 60, false), { granted: 60, left: 0 })
  t.match(await ask('k', 60, 1, 1, false), { granted: 0 })
  await runSql(url, 'update rate_limits set refilled_at = refilled_at - interval \'30 seconds\'')
  const { granted, left } = await ask('k', 60, 1000, 20, false)
  t.equal(granted, 20)
  t.ok(left >= 10 && left < 11, String(left))
  await runSql(url, 'update rate_limits set refilled_at = refilled_at + interval \'1 hour\'')
  t.match(await ask('k', 60, 1, 1, false), { granted: 1 }, 'a clock that went back takes nothing away')
  await ask('k', 60, 1000, 60, false)
  await runSql(url, 'update rate_limits set refilled_at = refilled_at - interval \'3 seconds\'')
  t.match(await ask('k', 60, 60, 60, true), { granted: 0 }, 'all or nothing')
  t.match(await ask('k', 60, 1000, 3, false), { granted: 3 }, 'and it refills from the new time on')

  const [result] = await runSql(url, 'select bucket from rate_limits')
  t.match(result?.rows, [{ bucket: /^[0-9a-f]{64}$/ }], 'nobody can be read from it')
  await forgetFull()
  t.equal((await runSql(url, 'select from rate_limits'))[0]?.rowCount, 1)
  await runSql(url, 'update rate_limits set refilled_at = now() - interval \'61 seconds\'')
  await forgetFull()
  t.equal((await runSql(url, 'select from rate_limits'))[0]?.rowCount, 0)
})

t.test('a store that hangs or is gone is unavailable within its time, and is used again when it is back', async (t) => {
  const url = await migratedDatabase(t)
  const { ask } = replica(t, url)
  await ask('k', 60, 1, 1, false)
  const locker = new pg.Client({ connectionString: url })
  await locker.connect()
  await locker.query('begin; lock table rate_limits in access exclusive mode')
  await t.rejects(ask('k', 60, 1, 1, false), { code: 'MCP_DATABASE_UNAVAILABLE' })
  const ended = once(locker, 'end')
  await locker.query('rollback')
  await locker.end()
  await ended
  t.match(await ask('other', 60, 1, 1, false), { granted: 1 })
})
