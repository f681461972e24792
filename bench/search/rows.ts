import { statfsSync } from 'node:fs'
import type pg from 'pg'
import type { EmbeddedPostgres } from '../../src/embedded-postgres/index.ts'
import { migrate, onDirectConnection } from '../../src/migrate.ts'
import { seed } from '../../src/seed.ts'
import { BenchFailed } from '../failure.ts'

/** Table, indexes and write-ahead log, measured at a million rows. */
const bytesPerRow = 1_400

/**
 * The URL of a database with so many records, made at the first use and kept for the next. Its indexes are built after
 * the rows, which takes half the time.
 * @throws BenchFailed when the disk is too small
 */
export async function databaseOf (postgres: EmbeddedPostgres, rows: number, tell: (text: string) => void): Promise<string> {
  const url = await postgres.database(`search_${rows}`)
  const mark = `complete with ${rows} records`
  if (await onDirectConnection(url, async (client) => await isMarked(client, mark))) return url

  checkDisk(postgres.folder, rows)
  await migrate(url)
  await onDirectConnection(url, async (client) => {
    const indexes = await dropIndexes(client)
    await seed(url, rows, (done) => { if (done % 500_000 === 0) tell(`${done} of ${rows} records`) })
    await client.query('set maintenance_work_mem = \'1GB\'')
    for (const index of indexes) {
      tell(index.split(' ON ')[0] as string)
      await client.query(index)
    }
    await client.query('vacuum analyze records')
    await client.query(`comment on table records is '${mark}'`)
  })
  return url
}

async function isMarked (client: pg.Client, mark: string): Promise<boolean> {
  return (await client.query('select obj_description(to_regclass(\'records\')) = $1 as is_marked', [mark])).rows[0].is_marked === true
}

async function dropIndexes (client: pg.Client): Promise<string[]> {
  const { rows } = await client.query('select indexrelid::regclass::text as name, pg_get_indexdef(indexrelid) as definition from pg_index where indrelid = \'records\'::regclass and not indisprimary')
  for (const { name } of rows) await client.query(`drop index ${name}`)
  return rows.map(({ definition }) => definition)
}

function checkDisk (folder: string, rows: number): void {
  const { bavail, bsize } = statfsSync(folder)
  const [free, needed] = [bavail * bsize, rows * bytesPerRow].map((bytes) => bytes / 1e9) as [number, number]
  if (free < needed) throw new BenchFailed(`${rows} records need ${needed.toFixed(1)} GB below ${folder}, and ${free.toFixed(1)} GB are free; free some, or ask for less with --rows`)
}
