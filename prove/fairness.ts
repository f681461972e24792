import { parseArgs } from 'node:util'
import { closeConnections, countsOf, openLoop, ownLag, percentile, type Answered } from './load/open-loop.ts'
import { holding, withServer } from './load/server.ts'

// npm run prove:fairness (R3): what others notice of one principal that asks fifty times as much as each of them.
const { values } = parseArgs({ options: { seconds: { type: 'string', default: '20' }, rounds: { type: 'string', default: '3' } } })
const seconds = Number(values.seconds)
const normal = 20
const perSecond = 5
const times = 50
const holdMs = 20

await withServer(normal + 1, {}, async ({ url, keys }) => {
  const { headers, body } = holding(holdMs)
  const [abuser = '', ...others] = keys
  const usual = others.map((key) => ({ key, perSecond }))
  const calm: number[] = []
  const stormy: number[] = []
  await openLoop(url, headers, body, usual, 3) // warm
  for (let round = 0; round < Number(values.rounds); round++) { // in turn: a machine that slows down hits both
    calm.push(...await latencies(await openLoop(url, headers, body, usual, seconds), others))
    const storm = await openLoop(url, headers, body, [...usual, { key: abuser, perSecond: times * perSecond }], seconds)
    stormy.push(...await latencies(storm, others))
    console.log(`round ${round + 1}: the abuser asked ${times * perSecond} times a second: ${countsOf(storm.get(abuser) ?? [])}; the asking process was late by ${ownLag()}`)
  }
  const [before, during] = [percentile(calm, 0.99), percentile(stormy, 0.99)]
  console.log(`${normal} others at ${perSecond} a second each: p50 ${percentile(calm, 0.5).toFixed(1)} ms alone, ${percentile(stormy, 0.5).toFixed(1)} ms beside it; p99 ${before.toFixed(1)} ms alone, ${during.toFixed(1)} ms beside it: ${(during / before).toFixed(2)} × (limit 2)`)
  closeConnections()
  process.exitCode = during / before <= 2 ? 0 : 1
})

async function latencies (answers: Map<string, Answered[]>, keys: string[]): Promise<number[]> {
  const own = keys.flatMap((key) => answers.get(key) ?? [])
  const bad = own.filter(({ outcome }) => outcome !== 'ok')
  if (bad.length > 0) throw new Error(`${bad.length} calls of the others were not served: ${JSON.stringify(bad[0])}`)
  return own.map(({ ms }) => ms)
}
