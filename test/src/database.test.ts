import t, { type Test } from 'tap'
import pg from 'pg'
import { createLender, isConnectionLoss } from '../../src/database.ts'
import { sql } from '../../src/sql.ts'
import { migratedDatabase, runSql } from '../helpers/postgres.ts'

function poolOn (t: Test, connectionString: string, options: pg.PoolConfig = {}): pg.Pool {
  const pool = new pg.Pool({ connectionString, max: 2, connectionTimeoutMillis: 300, ...options })
  pool.on('error', () => {})
  pool.on('connect', (client) => { client.on('error', () => {}) })
  t.teardown(async () => { await pool.end() })
  return pool
}

t.test('a lease', async (t) => {
  const url = await migratedDatabase(t)

  t.test('fetch_returns_list_of_dicts, fetchrow_returns_dict, fetchval_returns_scalar', async (t) => {
    const { db, end } = createLender(poolOn(t, url))()
    t.same(await db.query(sql`select 1 as n union all select 2 order by 1`), [{ n: 1 }, { n: 2 }])
    t.same(await db.one(sql`select ${42}::int as value`), { value: 42 })
    t.equal(await db.value(sql`select ${'hello'}::text`), 'hello')
    end()
  })

  t.test('fetchrow_returns_none_for_no_match', async (t) => {
    const { db, end } = createLender(poolOn(t, url))()
    t.equal(await db.one(sql`select 1 where false`), undefined)
    t.equal(await db.value(sql`select 1 where false`), undefined)
    t.same(await db.query(sql`select 1 where false`), [])
    end()
  })

  t.test('execute_runs_write_query and counts rows', async (t) => {
    const { db, end } = createLender(poolOn(t, url))()
    t.equal(await db.execute(sql`insert into records (name) values (${'x'}), (${'y'})`), 2)
    t.equal(await db.value(sql`select count(*)::int from records`), 2)
    t.equal(await db.execute(sql`delete from records`), 2)
    end()
  })

  t.test('takes no connection until its first statement, and one however many run at once', async (t) => {
    const pool = poolOn(t, url)
    const { db, end } = createLender(pool)()
    t.equal(pool.totalCount, 0)
    const pids = await Promise.all(Array.from({ length: 10 }, async () => await db.value<number>(sql`select pg_backend_pid()`)))
    t.equal(new Set(pids).size, 1)
    t.equal(pool.totalCount, 1)
    end()
  })

  t.test('gives its connection back, so that a pool of one serves any number of calls', async (t) => {
    const pool = poolOn(t, url, { max: 1, connectionTimeoutMillis: 10_000 })
    const lend = createLender(pool)
    const results = await Promise.all(Array.from({ length: 50 }, async (_, index) => {
      const { db, end } = lend()
      try {
        return await db.value<number>(sql`select ${index}::int`)
      } finally {
        end()
      }
    }))
    t.same(results, Array.from({ length: 50 }, (_, index) => index))
    t.equal(pool.idleCount, 1)
  })

  t.test('a statement that fails leaves the next one of the same call alone', async (t) => {
    const { db, end } = createLender(poolOn(t, url))()
    const [first, second] = await Promise.allSettled([db.value(sql`select 1 / 0`), db.value(sql`select 1`)])
    t.match(first, { status: 'rejected', reason: { code: '22012' } })
    t.match(second, { status: 'fulfilled', value: 1 })
    end()
  })

  t.test('runs one statement at a time: a second one smuggled into the text is refused', async (t) => {
    const { db, end } = createLender(poolOn(t, url))()
    await t.rejects(db.query(sql`select 1; delete from records`), { code: '42601' })
    end()
  })

  t.test('that ends while its statement runs destroys the connection instead of lending it on', async (t) => {
    const pool = poolOn(t, url, { max: 1 })
    const lend = createLender(pool)
    const slow = lend()
    const running = slow.db.value(sql`select pg_sleep(20), pg_backend_pid()`)
    await untilActive(url, 'pg_sleep')
    slow.end()
    await t.rejects(running)

    const next = lend()
    t.equal(await next.db.value(sql`select 7`), 7, 'the next borrower has a connection of its own')
    next.end()
  })

  t.test('refuses statements after its end, also those that were waiting', async (t) => {
    const pool = poolOn(t, url)
    const { db, end } = createLender(pool)()
    const waiting = db.value(sql`select 1`)
    end()
    await t.rejects(waiting, { code: 'MCP_LEASE_ENDED' })
    await t.rejects(db.value(sql`select 1`), { code: 'MCP_LEASE_ENDED' })
    end()
    await new Promise((resolve) => { setImmediate(resolve) })
    t.equal(pool.waitingCount, 0)
  })

  t.test('that gets no connection in time is unavailable, and so is one without a server', async (t) => {
    const lend = createLender(poolOn(t, url, { max: 1 }))
    const holder = lend()
    await holder.db.value(sql`select 1`)
    await t.rejects(lend().db.value(sql`select 1`), { code: 'MCP_DATABASE_UNAVAILABLE' })
    holder.end()
    await t.rejects(createLender(poolOn(t, 'postgresql://127.0.0.1:1/x'))().db.value(sql`select 1`), { code: 'MCP_DATABASE_UNAVAILABLE', cause: { code: 'ECONNREFUSED' } })
  })

  t.test('whose connection the server ends is unavailable, and the pool serves the next call', async (t) => {
    const lend = createLender(poolOn(t, url))
    const victim = lend()
    const pid = await victim.db.value<number>(sql`select pg_backend_pid()`)
    const running = victim.db.value(sql`select pg_sleep(20) /* the victim */`)
    await untilActive(url, 'the victim')
    await runSql(url, `select pg_terminate_backend(${pid})`)
    await t.rejects(running, { code: 'MCP_DATABASE_UNAVAILABLE' })
    victim.end()
    const next = lend()
    t.equal(await next.db.value(sql`select 1`), 1)
    next.end()
  })
})

t.test('a lost connection is told from a failed statement', async (t) => {
  for (const error of [{ code: '57P01' }, { code: '08006' }, { code: 'ECONNRESET' }, { message: 'Connection terminated unexpectedly' }, { message: 'Client has encountered a connection error and is not queryable' }]) t.equal(isConnectionLoss(error), true, JSON.stringify(error))
  for (const error of [{ code: '22012' }, { code: '57014' }, { message: 'boom' }]) t.equal(isConnectionLoss(error), false, JSON.stringify(error))
})

/** Waits until the server runs a statement that contains the text. */
async function untilActive (url: string, text: string): Promise<void> {
  for (const deadline = Date.now() + 10_000; Date.now() < deadline;) {
    const [result] = await runSql(url, `select 1 from pg_stat_activity where datname = current_database() and state = 'active' and query like '%${text}%' and pid <> pg_backend_pid()`)
    if ((result?.rowCount ?? 0) > 0) return
  }
  throw new Error(`no statement with "${text}" came to run`)
}
