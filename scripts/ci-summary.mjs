import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

// node scripts/ci-summary.mjs FOLDER [FAILED STEP...]: adds the assertions of tap's reports and the failed steps up to one last line.
const [folder, ...failedSteps] = process.argv.slice(2)
const reports = readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8').match(/^# \{ total: .*\}$/gm)?.at(-1) ?? '')
const count = (name) => reports.reduce((sum, totals) => sum + Number(totals.match(new RegExp(`${name}: (\\d+)`))?.[1] ?? 0), 0)

if (failedSteps.length > 0) console.log(`failed: ${failedSteps.join(', ')}`)
const skipped = count('skip') + count('todo')
console.log(`${count('pass')} passed, ${Math.max(count('fail'), failedSteps.length)} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
process.exitCode = failedSteps.length > 0 || count('fail') > 0 || count('pass') === 0 ? 1 : 0
