import { parseArgs } from 'node:util'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { openDatabase } from '../src/db/open.ts'
import { createDbTelemetry } from '../src/db/telemetry.ts'
import { startEmbeddedPostgres } from '../src/embedded-postgres/index.ts'
import { createMetrics } from '../src/metrics.ts'
import { poolOptions } from '../src/pool.ts'
import { sql } from '../src/sql.ts'
import { percentile } from './load/open-loop.ts'
import { clusterName } from './load/server.ts'

// npm run prove:aborts (KS5): calls that end at random moments, whose statements must stop, and whose connections serve others.
const { values } = parseArgs({ options: { aborts: { type: 'string', default: '10000' }, pool: { type: 'string', default: '10' } } })
const [aborts, max] = [Number(values.aborts), Number(values.pool)]
const workers = 2 * max
const mostMs = 20

const faults: string[] = []
const endedMs: number[] = []
let [aborted, served, reused] = [0, 0, 0]

const postgres = await startEmbeddedPostgres({ name: clusterName })
const url = await postgres.database('aborts')
const env = { SERVICE_NAME: 'aborts', DB_POOL_MIN: max, DB_POOL_MAX: max, DB_ACQUIRE_TIMEOUT_MS: 30_000, CALL_TIMEOUT_MS: 60_000, DB_PREPARED_STATEMENTS: true }
const pool = new pg.Pool(poolOptions(env, url, true))
const log = { warn: (fields: unknown) => { faults.push(`logged ${JSON.stringify(fields)}`) }, error: () => {}, info: () => {}, debug: () => {} }
const control = new pg.Pool({ connectionString: url, max: 2 })
control.on('error', () => {}) // the cluster may stop while the last connections close
const database = await openDatabase(pool, { variable: 'DATABASE_URL', url }, control, { env, log: log as never, telemetry: createDbTelemetry({ metrics: createMetrics() }, 'primary') })
const watching = new pg.Client({ connectionString: url })
watching.on('error', () => {})
await watching.connect()
await watching.query('drop table if exists marks; create table marks (mark text primary key)')
const seen = new Set<number>()

/** One call: it reads or writes a mark of its own, and every second one ends before it is done. */
async function call (mark: string): Promise<void> {
  const effect = Math.random() < 0.3 ? 'write' as const : 'read' as const
  const lease = database.lend({ tool: 'prove', effect, tenant: Math.random() < 0.2 ? mark : undefined, deadline: Date.now() + 60_000 })
  const isAborting = Math.random() < 0.5
  const work = (async () => {
    const state = await lease.db.one<{ pid: number, tenant: string | null, locks: number }>(sql`
      select pg_backend_pid() as pid, nullif(current_setting('portcullis.tenant', true), '') as tenant,
        (select count(*)::int from pg_locks where pid = pg_backend_pid() and locktype = 'advisory') as locks`)
    if (state?.tenant != null && state.tenant !== mark) faults.push(`a borrower saw the tenant ${state.tenant}`)
    if (state?.locks !== 0) faults.push('a borrower got a lock')
    seen.has(state?.pid as number) ? reused++ : seen.add(state?.pid as number)
    if (effect === 'write') await lease.db.execute(sql`insert into marks values (${mark})`)
    const got = await lease.db.value(sql`select ${mark}::text from (select pg_sleep(${Math.random() * mostMs / 1000})) slept`)
    if (got !== mark) faults.push(`${mark} was given ${String(got)}`)
    if (!isAborting) await lease.commit()
  })()
  if (isAborting) {
    await Promise.race([work.catch(() => {}), delay(Math.random() * mostMs)])
    const since = performance.now()
    await lease.end()
    endedMs.push(performance.now() - since)
    await work.catch(() => {})
    aborted++
  } else {
    await work.then(() => { served++ }, (error) => { faults.push(`a call that nobody ended failed: ${error.code ?? error.message}`) })
    await lease.end()
    if (effect === 'write') kept.add(mark)
  }
}

const kept = new Set<string>()
let number = 0
await Promise.all(Array.from({ length: workers }, async () => { while (aborted < aborts && faults.length < 10) await call(`mark-${number++}`) }))

const { rows: left } = await watching.query('select query from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and (state <> \'idle\' or backend_xid is not null)')
for (const { query } of left) faults.push(`still at work: ${query}`)
const { rows: stored } = await watching.query('select mark from marks')
for (const { mark } of stored) if (!kept.delete(mark)) faults.push(`${mark} was rolled back, and is there`)
for (const mark of kept) faults.push(`${mark} was committed, and is gone`)
if (pool.waitingCount + pool.totalCount - pool.idleCount > 0) faults.push('connections were not given back')
await watching.end()
database.close()
await Promise.all([pool.end(), control.end()])
await postgres.stop()

console.log(`${aborted} calls ended early beside ${served} that were served, ${seen.size} connections for ${reused + seen.size} borrowers; statement stopped and connection clean after p50 ${percentile(endedMs, 0.5).toFixed(1)} ms, p99 ${percentile(endedMs, 0.99).toFixed(1)} ms; ${faults.length} faults`)
for (const fault of faults) console.error(fault)
process.exitCode = faults.length === 0 && aborted >= aborts ? 0 : 1
