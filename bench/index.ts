import { writeFileSync } from 'node:fs'
import { drainOnOneSignal } from '../src/signals.ts'
import { casesOn } from './cases.ts'
import { conditions } from './conditions.ts'
import { withDatabase } from './database.ts'
import { BenchFailed } from './failure.ts'
import { checkGates } from './gates.ts'
import { measure } from './measure.ts'
import { readOptions, type BenchOptions } from './options.ts'
import { render, summarise, type Report } from './report.ts'
import { withServers } from './servers.ts'

async function run (options: BenchOptions): Promise<Report> {
  return await withDatabase(options.databaseUrl, async ({ databaseUrl, version, recordIds }) => {
    const cases = casesOn(recordIds)
    const before = conditions(version, options)
    const samples = await withServers({ databaseUrl, allowlist: options.allowlist }, async (servers) =>
      await measure(servers, cases, options, (round) => { console.error(round < 1 ? 'warming up' : `round ${round} of ${options.rounds}`) }))
    return { conditions: before, cases: summarise(cases, samples) }
  })
}

drainOnOneSignal() // Ctrl-C also stops an embedded database
try {
  const options = readOptions(process.argv.slice(2))
  const report = await run(options)
  console.log(render(report))
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`)
  checkGates(options.gates, report.cases)
} catch (error) {
  if (!(error instanceof BenchFailed)) throw error
  console.error(error.message)
  process.exitCode = 1
}
