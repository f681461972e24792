import t from 'tap'
import { createBreaker } from '../../../src/db/breaker.ts'
import { createConnections, whileHandling } from '../../../src/db/connections.ts'
import { createLender } from '../../../src/db/lease.ts'
import { isConnectionLoss } from '../../../src/db/losses.ts'
import { createRetries } from '../../../src/db/retries.ts'
import { createStatements } from '../../../src/db/statements.ts'
import { foreign, replanned, sql } from '../../../src/sql.ts'
import { lenderOn, untilActive, untold } from '../../helpers/lender.ts'
import { emptyDatabase, migratedDatabase, runSql } from '../../helpers/postgres.ts'

t.test('a lease', async (t) => {
  const url = await migratedDatabase(t)
  await runSql(url,
    'create table notes (id int primary key, body text not null)',
    'create sequence tries',
    'create function fails_first (times int, code text) returns int language plpgsql as $$ begin if nextval(\'tries\') <= times then raise exception \'once more\' using errcode = code; end if; return 7; end $$')

  t.test('fetch_returns_list_of_dicts, fetchrow_returns_dict, fetchval_returns_scalar', async (t) => {
    const { lend } = await lenderOn(t, url)
    const { db, end } = lend()
    t.same(await db.query(sql`select 1 as n union all select 2 order by 1`), [{ n: 1 }, { n: 2 }])
    t.same(await db.one(sql`select ${42}::int as value`), { value: 42 })
    t.equal(await db.value(sql`select ${'hello'}::text`), 'hello')
    await end()
  })

  t.test('fetchrow_returns_none_for_no_match', async (t) => {
    const { lend } = await lenderOn(t, url)
    const { db, end } = lend()
    t.equal(await db.one(sql`select 1 where false`), undefined)
    t.equal(await db.value(sql`select 1 where false`), undefined)
    t.same(await db.query(sql`select 1 where false`), [])
    await end()
  })

  t.test('takes no connection until its first statement, and one however many run at once', async (t) => {
    const { lend, pool } = await lenderOn(t, url)
    const before = pool.totalCount
    const { db, end } = lend()
    t.equal(pool.totalCount, before)
    const pids = await Promise.all(Array.from({ length: 10 }, async () => await db.value<number>(sql`select pg_backend_pid()`)))
    t.equal(new Set(pids).size, 1)
    await end()
  })

  t.test('gives its connection back, so that a pool of one serves any number of calls', async (t) => {
    const { lend, pool } = await lenderOn(t, url, { max: 1, timeoutMs: 60_000 })
    const results = await Promise.all(Array.from({ length: 50 }, async (_, index) => {
      const { db, end } = lend()
      try {
        return await db.value<number>(sql`select ${index}::int`)
      } finally {
        await end()
      }
    }))
    t.same(results, Array.from({ length: 50 }, (_, index) => index))
    t.equal(pool.idleCount, 1)
  })

  t.test('a statement that fails leaves the next one of the same call alone', async (t) => {
    const { lend } = await lenderOn(t, url)
    const { db, end } = lend()
    const [first, second] = await Promise.allSettled([db.value(sql`select 1 / 0`), db.value(sql`select 1`)])
    t.match(first, { status: 'rejected', reason: { code: '22012' } })
    t.match(second, { status: 'fulfilled', value: 1 })
    await end()
  })

  t.test('runs one statement at a time: a second one smuggled into the text is refused', async (t) => {
    const { lend } = await lenderOn(t, url)
    const { db, end } = lend()
    await t.rejects(db.query(sql`select 1; delete from records`), { code: '42601' })
    await end()
  })

  t.test('that ends while its statement runs cancels it, and the next borrower gets the connection clean', async (t) => {
    const { lend } = await lenderOn(t, url, { max: 1, timeoutMs: 10_000 })
    const slow = lend()
    const running = slow.db.value(sql`select pg_sleep(60) /* slow */`)
    const pid = await untilActive(url, '/* slow */')
    await Promise.all([t.rejects(running, { code: '57014' }), slow.end()])

    const next = lend()
    t.equal(await next.db.value(sql`select pg_backend_pid()`), pid, 'proved clean, so it need not be opened again')
    await next.end()
  })

  t.test('that ends while it waits for a connection gives it back when it comes', async (t) => {
    const { lend, pool } = await lenderOn(t, url, { max: 1, timeoutMs: 10_000 })
    const holder = lend()
    await holder.db.value(sql`select 1`)
    const waits = lend()
    const waiting = waits.db.value(sql`select 1`)
    while (pool.waitingCount === 0) await new Promise(setImmediate)
    const ending = waits.end()
    await holder.end()
    await Promise.all([t.rejects(waiting, { code: 'MCP_LEASE_ENDED' }), ending])
    t.equal(pool.idleCount, 1)
  })

  t.test('refuses statements after its end, also those that were waiting', async (t) => {
    const { lend, pool } = await lenderOn(t, url)
    const { db, end } = lend()
    const waiting = db.value(sql`select 1`)
    const ending = end()
    await t.rejects(waiting, { code: 'MCP_LEASE_ENDED' })
    await t.rejects(db.value(sql`select 1`), { code: 'MCP_LEASE_ENDED' })
    await Promise.all([ending, end()])
    t.equal(pool.waitingCount, 0)
  })

  t.test('that gets no connection in time is unavailable, says why, and so is one past its deadline', async (t) => {
    const { lend, stats } = await lenderOn(t, url, { max: 1, timeoutMs: 1_000 })
    const holder = lend()
    await holder.db.value(sql`select 1`)
    await t.rejects(lend().db.value(sql`select 1`), { code: 'MCP_DATABASE_UNAVAILABLE', reason: 'pool_timeout' })
    const late = lend({ deadline: Date.now() - 1 })
    await t.rejects(late.db.value(sql`select 1`), { code: 'MCP_DATABASE_UNAVAILABLE', reason: 'pool_timeout' })
    t.match(stats(), { size: 1, idle: 0, waiting: 0 })
    t.ok(stats().acquire_wait_ms >= 990, 'the longest wait is told')
    t.ok(stats().oldest_borrow_ms >= 990, 'and how long a connection has been out')
    t.ok(late.spent.waitMs < 5_000)
    await holder.end()
    t.equal(stats().oldest_borrow_ms, 0)
  })

  t.test('more than may wait are refused at once', async (t) => {
    const { lend } = await lenderOn(t, url, { max: 1, timeoutMs: 60_000 })
    const holder = lend()
    await holder.db.value(sql`select 1`)
    const leases = Array.from({ length: 65 }, () => lend())
    const answers = leases.map(async ({ db }) => await db.value(sql`select 1`))
    await t.rejects(answers[64] as Promise<unknown>, { code: 'MCP_DATABASE_UNAVAILABLE', reason: 'pool_full' })
    await holder.end()
    for (const [index, lease] of leases.entries()) {
      await Promise.allSettled([answers[index]])
      await lease.end()
    }
    t.equal((await Promise.allSettled(answers)).filter(({ status }) => status === 'fulfilled').length, 64)
  })

  t.test('waiting and working are measured apart', async (t) => {
    const { lend } = await lenderOn(t, url)
    const lease = lend()
    await lease.db.value(sql`select pg_sleep(0.05)`)
    t.ok(lease.spent.queryMs >= 50)
    t.equal(lease.spent.statements, 1)
    await lease.end()
  })

  t.test('statements are prepared once per connection, except those that are planned for their values', async (t) => {
    const names = sql`select array_agg(name::text order by name) as names from pg_prepared_statements where statement like '%counted%'`
    const { lend } = await lenderOn(t, url, { max: 1 })
    for (let time = 0; time < 3; time++) {
      const { db, end } = lend()
      await db.value(sql`select ${time}::int /* counted */`)
      await db.value(replanned(sql`select ${time}::int /* not counted */`))
      if (time === 2) t.match(await db.value<string[]>(names), [/^p[0-9a-f]{24}$/, /^p/], 'one, and the question itself')
      await end()
    }
    const unprepared = await lenderOn(t, url, { max: 1, isPreparing: false })
    const { db, end } = unprepared.lend()
    await db.value(sql`select 1 /* counted */`)
    t.same(await db.value(sql`select count(*)::int from pg_prepared_statements`), 0)
    await end()
  })

  t.test('a connection whose session was changed is not lent again', async (t) => {
    for (const statement of [sql`set search_path = nowhere`, sql`select set_config('search_path', 'nowhere', false)`, sql`select pg_advisory_lock(1)`, sql`listen news`]) {
      const { lend } = await lenderOn(t, url, { max: 1 })
      const first = lend()
      const pid = await first.db.value(sql`select pg_backend_pid()`)
      await first.db.query(statement)
      await first.end()
      const next = lend()
      t.not(await next.db.value(sql`select pg_backend_pid()`), pid, statement.text)
      await next.end()
    }
  })

  t.test('transactions are not the tool\'s to begin or end', async (t) => {
    const { lend } = await lenderOn(t, url)
    const { db, end } = lend()
    for (const statement of [sql`begin`, sql`  /* x */ COMMIT`, sql`rollback`, sql`start transaction`, sql`prepare transaction 'x'`, sql`-- x
      end`]) await t.rejects(db.query(statement), { code: 'MCP_TRANSACTION_CONTROL', message: /"a_tool"/ }, statement.text)
    await end()
  })

  t.test('a handler that takes a connection past call.db is told at once, by name', async (t) => {
    const { lend, pool } = await lenderOn(t, url, { max: 1, timeoutMs: 60_000 })
    const { db, end } = lend()
    await whileHandling('greedy', async () => {
      t.equal(await db.value(sql`select 1`), 1)
      await t.rejects(pool.query('select 1'), { code: 'MCP_NESTED_CONNECTION', message: /"greedy".*call\.db/ })
      await t.rejects(pool.connect(), { code: 'MCP_NESTED_CONNECTION' })
    })
    await end()
    t.same((await pool.query('select 1 as n')).rows, [{ n: 1 }], 'outside of handlers the pool is anybody\'s')
    let later: Promise<{ rows: unknown[] }> | undefined
    let go = (): void => {}
    await whileHandling('patient', async () => { later = new Promise<void>((resolve) => { go = resolve }).then(async () => await pool.query('select 2 as n')) })
    go()
    t.same((await later)?.rows, [{ n: 2 }], 'and what a handler left running is free')
  })

  t.test('what a tool with effect write does is one transaction', async (t) => {
    const { lend } = await lenderOn(t, url, { max: 1 })
    const count = async (): Promise<number> => Number((await runSql(url, 'select count(*) from notes'))[0]?.rows[0].count)
    const write = lend({ effect: 'write' })
    t.equal(await write.db.execute(sql`insert into notes values (1, 'one'), (2, 'two')`), 2)
    t.equal(await write.db.value(sql`select count(*)::int from notes`), 2, 'it sees its own')
    t.equal(await count(), 0, 'nobody else does')
    await write.commit()
    t.equal(await count(), 2)
    await write.end()

    const dropped = lend({ effect: 'write' })
    await dropped.db.execute(sql`delete from notes`)
    await dropped.end()
    t.equal(await count(), 2, 'without commit it never was')

    const failed = lend({ effect: 'write' })
    await failed.db.execute(sql`delete from notes`)
    await t.rejects(failed.db.execute(sql`insert into notes values (3, null)`), { code: '23502' })
    await t.rejects(failed.commit(), { code: 'MCP_TRANSACTION_FAILED' }, 'a handler that swallowed the error does not make half of it last')
    await failed.end()
    t.equal(await count(), 2)

    const aborted = lend({ effect: 'write' })
    await aborted.db.execute(sql`delete from notes`)
    await t.rejects(aborted.commit(AbortSignal.abort(new Error('gone'))), { message: 'gone' })
    await aborted.end()
    t.equal(await count(), 2, 'an abort before COMMIT rolls back')

    const { lend: lendLate } = await lenderOn(t, url, { max: 1, timeoutMs: 1_000 })
    const holder = lendLate()
    await holder.db.value(sql`select 1`)
    const swallowed = lendLate({ effect: 'write' })
    await swallowed.db.execute(sql`delete from notes`).catch(() => {})
    await t.rejects(swallowed.commit(), { code: 'MCP_DATABASE_UNAVAILABLE' }, 'what never reached the database is no success either')
    await swallowed.end()
    await holder.end()

    const idle = lend({ effect: 'write' })
    await idle.commit()
    await idle.end()
  })

  t.test('a read can\'t write', async (t) => {
    const { lend } = await lenderOn(t, url)
    const { db, end } = lend()
    await t.rejects(db.execute(sql`insert into notes values (9, 'nine')`), { code: '25006' })
    await end()
  })

  t.test('the tenant of a call is set for its statements, and only for those', async (t) => {
    const tenant = sql`select nullif(current_setting('portcullis.tenant', true), '')`
    const { lend } = await lenderOn(t, url, { max: 1 })
    for (const [effect, name] of [['read', 'acme'], ['write', 'o\'hara \\ "x"'], ['read', undefined]] as const) {
      const { db, commit, end } = lend({ effect, tenant: name })
      t.equal(await db.value(tenant), name ?? null)
      await commit()
      await end()
    }
    const unusable = lend({ tenant: 'a\0b' })
    await t.rejects(unusable.db.value(tenant), { code: 'MCP_TENANT_UNUSABLE' })
    await unusable.end()
  })

  t.test('reads are tried again where another try may mend, writes and other failures are not', async (t) => {
    const { lend } = await lenderOn(t, url)
    const again = async (effect: 'read' | 'write', code: string, tenant?: string): Promise<unknown> => {
      await runSql(url, 'alter sequence tries restart')
      const { db, end } = lend({ effect, tenant })
      try {
        for (let count = 0; count < 40; count++) await db.value(sql`select 1`) // pays for retries
        // a sequence is written to, which only a transaction that may write can do
        return await db.value(sql`select fails_first(1, ${code})`)
      } finally {
        await end()
      }
    }
    await runSql(url, 'create extension if not exists dblink')
    await runSql(url, `create or replace function fails_first (times int, code text) returns int language plpgsql as $$ begin if (select n from dblink('${dblinkTo(url)}', 'select nextval(''tries'')') as t (n bigint)) <= times then raise exception 'once more' using errcode = code; end if; return 7; end $$`)
    for (const code of ['40001', '40P01']) t.equal(await again('read', code), 7, code)
    t.equal(await again('read', '40001', 'acme'), 7, 'also inside the transaction of a tenant')
    await t.rejects(again('write', '40001'), { code: '40001' })
    await t.rejects(again('read', '22012'), { code: '22012' })
  })

  t.test('a prepared statement whose table a migration changed is prepared anew', async (t) => {
    await runSql(url, 'create table changing (a int)', 'insert into changing values (1)')
    const { lend } = await lenderOn(t, url, { max: 1 })
    const ask = async (effect: 'read' | 'write'): Promise<unknown> => {
      const { db, end } = lend({ effect })
      try {
        for (let count = 0; count < 20; count++) await db.value(sql`select 1`)
        return await db.one(sql`select * from changing`)
      } finally {
        await end()
      }
    }
    t.same(await ask('read'), { a: 1 })
    await runSql(url, 'alter table changing add b int')
    t.same(await ask('read'), { a: 1, b: null })
    await runSql(url, 'alter table changing add c int')
    await t.rejects(ask('write'), { code: '0A000' }, 'a write is not tried again')
    t.same(await ask('write'), { a: 1, b: null, c: null }, 'and the next has another connection')
  })

  t.test('a read whose connection the server ends is tried again on another', async (t) => {
    const { lend } = await lenderOn(t, url)
    const { db, end } = lend()
    for (let count = 0; count < 20; count++) await db.value(sql`select 1`)
    const running = db.value(sql`select pg_sleep(0.3), 'the victim'`)
    await runSql(url, `select pg_terminate_backend(${await untilActive(url, 'the victim')})`)
    t.not(await running, undefined)
    await end()
  })

  t.test('a write whose connection the server ends is unavailable, and the pool serves the next call', async (t) => {
    const { lend } = await lenderOn(t, url)
    const victim = lend({ effect: 'write' })
    const running = victim.db.value(sql`select pg_sleep(60) /* the writing victim */`)
    await runSql(url, `select pg_terminate_backend(${await untilActive(url, 'the writing victim')})`)
    await t.rejects(running, { code: 'MCP_DATABASE_UNAVAILABLE', reason: 'database', cause: { code: '57P01' } })
    await victim.end()
    const next = lend()
    t.equal(await next.db.value(sql`select 1`), 1)
    await next.end()
  })

  t.test('a read that left something in the session is not tried again, and its connection not lent', async (t) => {
    await runSql(url, 'alter sequence tries restart')
    const { lend } = await lenderOn(t, url, { max: 1 })
    const { db, end } = lend()
    for (let count = 0; count < 20; count++) await db.value(sql`select 1`)
    await t.rejects(db.value(sql`select set_config('x.y', 'dirty', false) || fails_first(1, '40001')`), { code: '40001' })
    await end()
    const next = lend()
    t.equal(await next.db.value(sql`select current_setting('x.y', true)`), null)
    await next.end()
  })

  t.test('a statement that failed leaves the next one alone, with a tenant too', async (t) => {
    const { lend } = await lenderOn(t, url, { max: 1 })
    const { db, end } = lend({ tenant: 'acme' })
    await t.rejects(db.value(sql`select 1 / 0`), { code: '22012' })
    t.equal(await db.value(sql`select current_setting('portcullis.tenant', true)`), 'acme')
    await end()
  })

  t.test('an abort ends a commit that waits for a statement nobody awaited', async (t) => {
    const { lend } = await lenderOn(t, url)
    const lease = lend({ effect: 'write' })
    const gone = new AbortController()
    lease.db.value(sql`select pg_sleep(60) /* nobody awaits */`).catch(() => {})
    await untilActive(url, 'nobody awaits')
    const committing = lease.commit(gone.signal)
    gone.abort(new Error('gone'))
    await t.rejects(committing, { message: 'gone' })
    await lease.end()
  })

  t.test('SQL from elsewhere runs for a tool that says so: reading, rolled back, on a connection nobody gets after it', async (t) => {
    const { lend } = await lenderOn(t, url, { max: 1 })
    const strict = lend({ foreignSql: true })
    const pid = await strict.db.value(foreign('select pg_backend_pid()'))
    t.equal(await strict.db.value(foreign('(select 1)')), 1)
    for (const text of ['commit', '/* a /* b */ select */ commit', 'set role none', 'do $$ begin end $$', 'prepare x as select 1', 'listen news', 'copy records to stdout', '']) await t.rejects(strict.db.query(foreign(text)), /MCP_|only SELECT|may not begin/, text)
    await t.rejects(strict.db.query(foreign('with gone as (delete from records returning 1) select * from gone')), { code: '25006' })
    await strict.end()
    const next = lend()
    t.not(await next.db.value(sql`select pg_backend_pid()`), pid)
    await t.rejects(next.db.query(foreign('select 1')), { code: 'MCP_FOREIGN_SQL', message: /"a_tool".*foreignSql: true/ })
    await next.end()
  })
})

t.test('a call that ends while it pauses before another try takes no connection more', async (t) => {
  const { pool, lend: unused } = await lenderOn(t, await emptyDatabase(t), { max: 1 })
  t.ok(unused)
  const breaker = createBreaker({ probe: async () => true })
  const lease = createLender({
    connections: createConnections(pool, breaker, { maxWaiting: 10, timeoutMs: 10_000, telemetry: untold }),
    statements: createStatements({ isPreparing: true }),
    retries: { count: () => {}, mayRetry: () => true, pause: async () => { await lease.end() } },
    cancel: async () => true,
    askFate: async () => null,
    telemetry: untold
  })({ tool: 'a_tool', effect: 'read', deadline: Date.now() + 10_000 })
  await t.rejects(lease.db.value(sql`select 1 / 0`), { code: 'MCP_LEASE_ENDED' })
  t.equal(pool.totalCount - pool.idleCount, 0)
})

t.test('a database that takes no writes any more is unavailable for them, and its connection not kept', async (t) => {
  const standby = Object.assign(new Error('cannot set transaction read-write mode during recovery'), { severity: 'ERROR', code: '0A000' })
  const client = { query: async (query: unknown) => { if (String(query).startsWith('begin')) throw standby }, getTransactionStatus: () => 'I' }
  const returned: boolean[] = []
  const lease = createLender({
    connections: { take: async () => client as never, giveBack: (_client, isFit) => { returned.push(isFit) }, stats: () => ({ waiting: 0, acquireWaitMs: 0, oldestBorrowMs: 0 }) },
    statements: createStatements({ isPreparing: true }),
    retries: createRetries(),
    cancel: async () => true,
    askFate: async () => null,
    telemetry: untold
  })({ tool: 'a_tool', effect: 'write', deadline: Date.now() + 10_000 })
  await t.rejects(lease.db.execute(sql`delete from notes`), { code: 'MCP_DATABASE_UNAVAILABLE', reason: 'database', cause: standby })
  await t.rejects(lease.commit(), { code: 'MCP_TRANSACTION_FAILED' })
  await lease.end()
  t.same(returned, [false])
})

t.test('a database that says it is full is there, one that says nothing is not', async (t) => {
  const failing: Array<[error: object, failures: number]> = [[{ severity: 'FATAL', code: '53300' }, 0], [{ severity: 'FATAL', code: '28P01' }, 0], [{ severity: 'FATAL', code: '57P03' }, 1], [{ code: 'ECONNREFUSED' }, 1], [{ code: 'EHOSTUNREACH' }, 1], [{ message: 'Connection terminated due to connection timeout' }, 1]]
  for (const [error, failures] of failing) {
    let failed = 0
    const pool = { connect: async () => { throw Object.assign(new Error(), error) }, on: () => pool, options: { max: 1 } }
    const breaker = { isOpen: () => false, succeeded: () => {}, failed: () => { failed++ }, stop: () => {} }
    await t.rejects(createConnections(pool as never, breaker, { maxWaiting: 1, timeoutMs: 1_000, telemetry: untold }).take(Date.now() + 1_000), { code: 'MCP_DATABASE_UNAVAILABLE', reason: 'database' })
    t.equal(failed, failures, JSON.stringify(error))
  }
})

t.test('a lost connection is told from a failed statement', async (t) => {
  for (const error of [{ code: '57P01' }, { code: '08006' }, { code: 'ECONNRESET' }, { code: 'EHOSTUNREACH' }, { code: 'ERR_SSL_WRONG_VERSION_NUMBER' }, { code: '25P03' }, { message: 'Connection terminated unexpectedly' }, { message: 'Client has encountered a connection error and is not queryable' }]) t.equal(isConnectionLoss(error), true, JSON.stringify(error))
  for (const error of [{ code: '22012' }, { code: '57014' }, { code: 'ERR_INVALID_ARG_TYPE' }, { message: 'boom' }]) t.equal(isConnectionLoss(error), false, JSON.stringify(error))
})

function dblinkTo (url: string): string {
  const { hostname, port, pathname, username, password } = new URL(url)
  return `host=${hostname} port=${port} dbname=${pathname.slice(1)} user=${username} password=${password}`
}
