import { readFileSync } from 'node:fs'
import type pg from 'pg'
import { searchStatement, type Found, type Search, type SearchedTable } from '../../src/search/statement.ts'
import { containing, type Sql } from '../../src/sql.ts'
import { classes, deep } from './classes.ts'

export interface Timing {
  name: string
  p50: number
  p95: number
  total: string
  /** Milliseconds that the backend computed, on average: what is left of the wall clock when other work shares the machine. */
  cpu?: number
}

const records: SearchedTable = { name: 'records', text: ['name', 'description'], filters: ['category', 'status', 'type'], columns: ['name', 'description', 'status', 'type', 'category'] }
const warmUp = 3

/** Milliseconds of the one statement of `search_records`, over a connection, for each class of text. */
export async function measureSearch (client: pg.Client, rounds: number): Promise<Timing[]> {
  const half = await middle(client)
  const cases = [...classes, ...classes.filter(({ name }) => deep.includes(name)).map(({ name, search }) => ({ name: `${name}, half way down`, search: { ...search, after: half } }))]
  const timings: Timing[] = []
  for (const { name, search } of cases) {
    const statement = searchStatement(records, { filters: {}, order: 'newest', limit: 20, offset: 0, ...search } as Search)
    let last: Found | undefined
    await timed(0, warmUp, async () => { await run(client, statement) })
    const before = backendCpuMs(client)
    const times = await timed(0, rounds, async () => { last = (await run<Found>(client, statement))[0] })
    timings.push({ name, ...percentiles(times), cpu: (backendCpuMs(client) - before) / rounds, total: `${last?.is_exact === true ? '' : '≥ '}${String(last?.total)}` })
  }
  return timings
}

/** The two statements of the Python template, on the same rows and indexes. */
export async function measureTemplate (client: pg.Client, rounds: number): Promise<Timing[]> {
  const timings: Timing[] = []
  for (const { name, search: { query } } of classes.filter(({ search }) => Object.keys(search).length === 1 && search.query !== '')) {
    let total = ''
    const times = await timed(1, rounds, async () => {
      await client.query('select id, name, description, status, created_at from records where (name ilike $1 or description ilike $1) order by created_at desc limit $2 offset $3', [containing(query), 20, 0])
      total = (await client.query('select count(*) from records where (name ilike $1 or description ilike $1)', [containing(query)])).rows[0].count
    })
    timings.push({ name, ...percentiles(times), total })
  }
  return timings
}

async function middle (client: pg.Client): Promise<string[]> {
  const { rows: [{ at, id }] } = await client.query('select created_at::text as at, id from records where created_at >= (select min(created_at) + (max(created_at) - min(created_at)) / 2 from records) order by created_at, id limit 1')
  return [at, id]
}

async function run<T> (client: pg.Client, { text, values }: Sql): Promise<T[]> {
  return (await client.query({ text, values: [...values], queryMode: 'extended' } as pg.QueryConfig)).rows
}

/** User and system time of the server process behind the connection, from Linux, in its ticks of 10 ms. */
function backendCpuMs (client: pg.Client): number {
  const { processID: pid } = client as unknown as { processID: number }
  const [user, system] = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, '').split(' ').slice(11, 13).map(Number) as [number, number]
  return (user + system) * 10
}

async function timed (unmeasured: number, rounds: number, work: () => Promise<void>): Promise<number[]> {
  const times: number[] = []
  for (let round = -unmeasured; round < rounds; round++) {
    const start = performance.now()
    await work()
    if (round >= 0) times.push(performance.now() - start)
  }
  return times.sort((a, b) => a - b)
}

function percentiles (sorted: number[]): { p50: number, p95: number } {
  const at = (share: number): number => sorted[Math.ceil(sorted.length * share) - 1] as number
  return { p50: at(0.5), p95: at(0.95) }
}
