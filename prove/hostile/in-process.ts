import { answerTo, fuzz, type FuzzReport } from './fuzz.ts'
import { printInput, type Input } from './input.ts'
import { blocksDuring, type Block } from './loop-watch.ts'
import { createTarget } from './target.ts'

const repeats = 3
const errorLevel = 50
const saidEvery = 10_000

export interface InProcessReport extends FuzzReport { block: Block, confirmedMs: number }

/** Fuzzes the server in this process. An input that blocks the loop longer than allowed each time it is sent is a finding. */
export async function fuzzInProcess (databaseUrl: string, seed: number, inputs: number, maxBlockMs: number): Promise<InProcessReport> {
  let logged: string[] = []
  const errors: string[] = []
  const app = await createTarget(databaseUrl, (line) => {
    const { level, msg, outcome, tool, code, reason } = JSON.parse(line)
    logged.push([level, msg, outcome, tool, code, reason].filter((part) => part !== undefined).join(' '))
    if (level >= errorLevel) errors.push(line)
  })
  const takeLogged = (): string[] => {
    const taken = logged
    logged = []
    return taken
  }

  const block: Block = { wallMs: 0, busyMs: 0 }
  let confirmedMs = 0
  let done = 0
  const blocking: FuzzReport['findings'] = []
  /** The shortest of some repetitions: what the machine or the collector of garbage did once is not the input's fault. */
  const leastBlock = async (batch: Input[]): Promise<number> => {
    let least = Infinity
    for (let times = 0; times < repeats && least >= maxBlockMs; times++) {
      const { busyMs } = await blocksDuring(async () => { for (const input of batch) await answerTo(app, input) })
      least = Math.min(least, busyMs)
    }
    return least
  }
  const watch = async (batch: Input[], run: () => Promise<void>): Promise<void> => {
    const { wallMs, busyMs } = await blocksDuring(run)
    done += batch.length
    if (done % saidEvery < batch.length) console.error(`${done} of ${inputs}`)
    block.wallMs = Math.max(block.wallMs, wallMs)
    block.busyMs = Math.max(block.busyMs, busyMs)
    if (busyMs < maxBlockMs || await leastBlock(batch) < maxBlockMs) return
    for (const input of batch) {
      const least = await leastBlock([input])
      confirmedMs = Math.max(confirmedMs, least)
      if (least >= maxBlockMs) blocking.push({ fault: `blocks the loop for ${least.toFixed(1)} ms`, input: printInput(input) })
    }
    takeLogged()
  }

  try {
    await app.ready()
    const report = await fuzz({ app, seed, inputs, takeLogged, watch })
    const logFindings = errors.map((line) => ({ fault: `logged an error: ${line}`, input: `seed ${seed}` }))
    return { ...report, findings: [...report.findings, ...blocking, ...logFindings], block, confirmedMs }
  } finally {
    await app.close()
  }
}
