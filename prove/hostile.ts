import { parseArgs } from 'node:util'
import type { Test } from 'tap'
import { migratedDatabase, serverUrl } from '../test/helpers/postgres.ts'
import { insertSampleRecords } from '../test/helpers/records.ts'
import type { Finding } from './hostile/fuzz.ts'
import { fuzzInProcess } from './hostile/in-process.ts'
import type { Block } from './hostile/loop-watch.ts'
import { fuzzOverSockets } from './hostile/over-sockets.ts'

// S10: hostile bytes never crash, hang or leak internals. npm run prove:hostile -- [--inputs N] [--seed N]
const maxBlockMs = 50
const oneRawIn = 50

const { values } = parseArgs({ options: { inputs: { type: 'string', default: '1000000' }, seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) } } })
const inputs = Number(values.inputs)
const seed = Number(values.seed)

const findings: Finding[] = []
for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
  process.on(event, (error) => { findings.push({ fault: `${event}: ${String((error as Error)?.stack ?? error)}`, input: `seed ${seed}` }) })
}
const teardowns: Array<() => unknown> = []
const scope = { teardown: (undo: () => unknown) => { teardowns.unshift(undo) } } as unknown as Test
const show = ({ wallMs, busyMs }: Block): string => `${wallMs.toFixed(1)} ms by the clock, ${busyMs.toFixed(1)} ms of it computing`

const startedAt = performance.now()
try {
  const url = await migratedDatabase(scope)
  await insertSampleRecords(url)
  const sockets = await fuzzOverSockets(serverUrl(url), seed, Math.ceil(inputs / oneRawIn))
  const inProcess = await fuzzInProcess(serverUrl(url), seed, inputs, maxBlockMs)
  findings.push(...sockets.findings, ...inProcess.findings)
  if (sockets.block.busyMs >= maxBlockMs) findings.push({ fault: `raw bytes block the loop for ${sockets.block.busyMs.toFixed(1)} ms`, input: `seed ${seed}` })

  console.log(`seed ${seed}, ${((performance.now() - startedAt) / 1000).toFixed(0)} s`)
  console.log(`${inProcess.inputs} requests in process: ${inProcess.signatures} kinds of answers, ${JSON.stringify(inProcess.statuses)}`)
  console.log(`  longest block of the loop: ${show(inProcess.block)}; ${inProcess.confirmedMs.toFixed(1)} ms when the same input is sent again (bound ${maxBlockMs} ms)`)
  console.log(`${sockets.conversations} raw conversations with a server process`)
  console.log(`  longest block of its loop: ${show(sockets.block)} (bound ${maxBlockMs} ms)`)
} finally {
  for (const undo of teardowns) await undo()
}
for (const { fault, input } of findings) console.log(`FINDING ${fault}\n  ${input.slice(0, 4000)}`)
console.log(`${findings.length} findings`)
process.exitCode = findings.length === 0 ? 0 : 1
