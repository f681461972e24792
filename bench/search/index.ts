import { parseArgs } from 'node:util'
import { startEmbeddedPostgres } from '../../src/embedded-postgres/index.ts'
import { onDirectConnection } from '../../src/migrate.ts'
import { drainOnOneSignal } from '../../src/signals.ts'
import { BenchFailed } from '../failure.ts'
import { measureSearch, measureTemplate } from './measure.ts'
import { conditionsOf, render, type Table } from './report.ts'
import { databaseOf } from './rows.ts'

const usage = `Usage: npm run bench:search -- [options]
  --rows N,N,N       sizes of the table (default 100000,1000000,10000000)
  --rounds N         measured runs per class (default 100)
  --template N       measured runs of the template's statements, 0 for none (default 3)`

function readOptions (args: string[]): { sizes: number[], rounds: number, template: number } {
  try {
    const { values } = parseArgs({ args, options: { rows: { type: 'string', default: '100000,1000000,10000000' }, rounds: { type: 'string', default: '100' }, template: { type: 'string', default: '3' } } })
    const [sizes, [rounds], [template]] = [values.rows, values.rounds, values.template].map((text) => text.split(',').map(wholeNumber)) as [number[], [number], [number]]
    if (rounds === 0) throw new Error('--rounds must be at least 1')
    return { sizes, rounds, template }
  } catch (error) {
    throw new BenchFailed(`${(error as Error).message}\n\n${usage}`)
  }
}

function wholeNumber (text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new Error(`"${text}" is no whole number`)
  return Number(text)
}

drainOnOneSignal() // Ctrl-C also stops the embedded database
try {
  const { sizes, rounds, template } = readOptions(process.argv.slice(2))
  const postgres = await startEmbeddedPostgres({ name: 'bench-postgres' })
  try {
    const tables: Table[] = []
    for (const rows of sizes) {
      const url = await databaseOf(postgres, rows, (text) => { console.error(text) })
      tables.push(await onDirectConnection(url, async (client) => ({
        rows,
        search: await measureSearch(client, rounds),
        template: template === 0 ? [] : await measureTemplate(client, template)
      })))
      console.error(`${rows} records are measured`)
    }
    console.log(`${conditionsOf(rounds, template)}\n\n${render(tables)}`)
  } finally {
    await postgres.stop()
  }
} catch (error) {
  if (!(error instanceof BenchFailed)) throw error
  console.error(error.message)
  process.exitCode = 1
}
