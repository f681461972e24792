import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { parseArgs } from 'node:util'
import { faultProxy } from '../test/helpers/fault-proxy.ts'
import { closeConnections, closedLoop, countsOf, openLoop, percentile, type Answered } from './load/open-loop.ts'
import { holding, withServer } from './load/server.ts'

// npm run prove:collector-outage (O6): a collector that is away, silent, slow or resets is no matter for calls.
const { values } = parseArgs({ options: { rounds: { type: 'string', default: '10' }, seconds: { type: 'string', default: '4' }, rate: { type: 'string', default: '150' } } })
const [rounds, seconds, rate] = [Number(values.rounds), Number(values.seconds), Number(values.rate)]
const callers = 10
const mostSlower = 1.05

const seen = { exports: 0 }
const sink = createServer((request, response) => { request.resume().on('end', () => { seen.exports++; response.end() }) }).listen(0, '127.0.0.1')
await once(sink, 'listening')
const ends: Array<() => void> = [() => { sink.close().closeAllConnections() }]
const proxy = await faultProxy({ teardown: (end) => { ends.push(end) } }, `http://127.0.0.1:${(sink.address() as AddressInfo).port}`)

const env = {
  OTEL_ENABLED: 'true',
  OTEL_EXPORTER_OTLP_ENDPOINT: proxy.url,
  OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
  OTEL_METRIC_EXPORT_INTERVAL: '1000',
  OTEL_METRIC_EXPORT_TIMEOUT: '1000',
  OTEL_BSP_SCHEDULE_DELAY: '500',
  OTEL_BLRP_SCHEDULE_DELAY: '500',
  OTEL_EXPORTER_OTLP_TIMEOUT: '1000',
  RATE_LIMIT_PER_MINUTE: '0',
  ATTEMPT_LIMIT_PER_MINUTE: '0'
}
const faults: Record<string, () => void> = {
  'well (one half)': () => {},
  'well (the other half)': () => {},
  blackholed: () => { proxy.blackhole() },
  reset: () => {
    const again = setInterval(() => { proxy.reset() }, 100)
    ends.push(() => { clearInterval(again) })
    endRound = () => { clearInterval(again) }
  },
  slow: () => { proxy.latency(800) },
  away: () => {
    proxy.refuse()
    proxy.reset()
  }
}
let endRound = (): void => {}
const answers = new Map(Object.keys(faults).map((name) => [name, [] as Answered[]]))
const failed: string[] = []

await withServer(callers, env, async ({ url, keys }) => {
  const { headers, body } = holding(1)
  await closedLoop(url, headers, body, keys, 3) // warm
  for (let round = 0; round < rounds; round++) {
    for (const [name, fault] of Object.entries(faults)) {
      fault()
      answers.get(name)?.push(...[...(await openLoop(url, headers, body, keys.map((key) => ({ key, perSecond: rate / callers })), seconds)).values()].flat())
      endRound()
      endRound = () => {}
      await proxy.restore()
      const before = seen.exports
      for (const deadline = Date.now() + 10_000; seen.exports === before;) {
        if (Date.now() > deadline) { failed.push(`nothing was exported within 10 s after ${name}`); break }
        await closedLoop(url, headers, body, keys.slice(0, 1), 0.05)
      }
    }
    console.log(`round ${round + 1} of ${rounds}`)
  }
})
closeConnections()
for (const end of ends) end()

const well = percentile(['well (one half)', 'well (the other half)'].flatMap((name) => answers.get(name) ?? []).map(({ ms }) => ms), 0.99)
for (const [name, all] of answers) {
  const p99 = percentile(all.map(({ ms }) => ms), 0.99)
  console.log(`collector ${name}: ${countsOf(all)}; p50 ${percentile(all.map(({ ms }) => ms), 0.5).toFixed(1)} ms, p99 ${p99.toFixed(1)} ms (${(p99 / well).toFixed(2)} times)`)
  if (all.some(({ outcome }) => outcome !== 'ok')) failed.push(`calls failed while the collector was ${name}`)
  if (!name.startsWith('well') && p99 > mostSlower * well) failed.push(`p99 while the collector was ${name} is more than ${mostSlower} times that of before`)
}
for (const fault of failed) console.error(fault)
process.exitCode = failed.length === 0 ? 0 : 1
