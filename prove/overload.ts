import { parseArgs } from 'node:util'
import { setTimeout as delay } from 'node:timers/promises'
import { closeConnections, closedLoop, countsOf, openLoop, ownLag, percentile, type Answered } from './load/open-loop.ts'
import { holding, withServer } from './load/server.ts'

// npm run prove:overload (R2): what is answered in time when many times more is asked than can be.
const { values } = parseArgs({ options: { seconds: { type: 'string', default: '8' }, factors: { type: 'string', default: '1,2,5,10' } } })
const seconds = Number(values.seconds)
const callers = 20
const holdMs = 40
const pool = 18 // at 40 ms each: 450 calls a second
const deadlineMs = 1_000
const env = { DB_POOL_MAX: String(pool), CALL_TIMEOUT_MS: String(deadlineMs), RATE_LIMIT_PER_MINUTE: '0', ATTEMPT_LIMIT_PER_MINUTE: '0' }
const faults: string[] = []

await withServer(callers, env, async ({ url, keys }) => {
  const { headers, body } = holding(holdMs)
  await closedLoop(url, headers, body, keys, 2) // warm
  await openLoop(url, headers, body, keys.map((key) => ({ key, perSecond: 100 })), 2) // opens the connections
  const busy = Array.from({ length: 2 }, () => keys).flat()
  const peak = (await closedLoop(url, headers, body, busy, seconds)).filter(isInTime).length / seconds
  console.log(`peak, closed loop of ${busy.length}: ${peak.toFixed(0)} calls a second in time (${deadlineMs} ms)`)

  for (const factor of values.factors.split(',').map(Number)) {
    const answers = [...(await openLoop(url, headers, body, keys.map((key) => ({ key, perSecond: factor * peak / callers })), seconds)).values()].flat()
    const goodput = answers.filter(isInTime).length / seconds
    const shed = answers.filter(({ outcome }) => outcome === 'shed').map(({ ms }) => ms)
    const before = performance.now()
    while ((await closedLoop(url, headers, body, keys.slice(0, 1), 0.001)).some((answer) => !isInTime(answer))) await delay(1)
    const drainedMs = performance.now() - before
    console.log(`${factor} ×: ${answers.length} asked, ${goodput.toFixed(0)} a second in time (${(100 * goodput / peak).toFixed(0)} % of peak); ${countsOf(answers)}; shed p50 ${percentile(shed, 0.5).toFixed(1)} ms, p99 ${percentile(shed, 0.99).toFixed(1)} ms; idle again after ${drainedMs.toFixed(0)} ms; the asking process was late by ${ownLag()}`)
    if (goodput < 0.9 * Math.min(peak, factor * peak)) faults.push(`goodput at ${factor} × is ${(100 * goodput / peak).toFixed(0)} % of peak, less than 90 %`)
    if (answers.some(({ outcome }) => outcome === 'failed')) faults.push(`requests failed at ${factor} ×`)
    if (drainedMs > 1_000) faults.push(`drained after ${drainedMs.toFixed(0)} ms at ${factor} ×`)
  }
})
closeConnections()
for (const fault of faults) console.error(fault)
process.exitCode = faults.length === 0 ? 0 : 1

function isInTime ({ outcome, ms }: Answered): boolean {
  return outcome === 'ok' && ms <= deadlineMs
}
