import { readFileSync } from 'node:fs'

// node scripts/ci-summary.mjs REPORT [FAILED STEP...]: adds tap's assertions and the failed steps up to one last line.
const [report, ...failedSteps] = process.argv.slice(2)
const totals = readFileSync(report, 'utf8').match(/^# \{ total: .*\}$/gm)?.at(-1) ?? ''
const count = (name) => Number(totals.match(new RegExp(`${name}: (\\d+)`))?.[1] ?? 0)

if (failedSteps.length > 0) console.log(`failed: ${failedSteps.join(', ')}`)
const skipped = count('skip') + count('todo')
console.log(`${count('pass')} passed, ${Math.max(count('fail'), failedSteps.length)} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
process.exitCode = failedSteps.length > 0 || count('fail') > 0 || count('pass') === 0 ? 1 : 0
