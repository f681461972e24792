import type { Readable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { bytesOf, printInput, seedInputs, type Input } from './input.ts'
import { mutate } from './mutate.ts'
import { faultOf, signatureOf, type Answered } from './oracle.ts'
import { createRandom } from './random.ts'

const hangMs = 20_000
const batchSize = 64
const maxFindings = 20

export interface Finding { fault: string, input: string }

export interface FuzzReport {
  inputs: number
  findings: Finding[]
  /** Kinds of answers: status, codes and log lines. */
  signatures: number
  statuses: Record<string, number>
}

export interface FuzzOptions {
  app: FastifyInstance
  seed: number
  inputs: number
  /** The kinds of log lines since the last question. */
  takeLogged?: () => string[]
  /** Surrounds each batch of requests, and nothing else. */
  watch?: (batch: Input[], run: () => Promise<void>) => Promise<void>
}

/**
 * Feeds mutated requests to the app. Feedback is by what can be seen: an input that leads to a new combination of
 * status, codes and log lines joins those that are mutated further. Code coverage is not measured.
 */
export async function fuzz ({ app, seed, inputs, takeLogged = () => [], watch = async (_batch, run) => { await run() } }: FuzzOptions): Promise<FuzzReport> {
  const random = createRandom(seed)
  const corpus = seedInputs()
  const seen = new Set<string>()
  const report: FuzzReport = { inputs: 0, findings: [], signatures: 0, statuses: {} }

  while (report.inputs < inputs && report.findings.length < maxFindings) {
    const batch = Array.from({ length: Math.min(batchSize, inputs - report.inputs) }, () => mutate(random, random.pick(corpus)))
    const ready = batch.map((input) => ({ ...input, body: { bytes: bytesOf(input) } })) // not while the loop is watched
    const answers: Array<{ answer: Answered | string, logged: string[] }> = []
    await watch(ready, async () => {
      for (const input of ready) answers.push({ answer: await answerTo(app, input), logged: takeLogged() })
    })
    for (const [index, { answer, logged }] of answers.entries()) {
      const input = batch[index] as Input
      report.inputs++
      const fault = typeof answer === 'string' ? answer : faultOf(answer)
      if (fault !== undefined) {
        report.findings.push({ fault, input: printInput(input) })
        continue
      }
      const { status } = answer as Answered
      report.statuses[status] = (report.statuses[status] ?? 0) + 1
      const signature = signatureOf(answer as Answered, logged)
      if (seen.has(signature) || bytesOf(input).length > 100_000) continue
      seen.add(signature)
      corpus.push(input)
    }
  }
  return { ...report, signatures: seen.size }
}

/** The answer, or what went wrong on the way to it. */
export async function answerTo (app: FastifyInstance, input: Input): Promise<Answered | string> {
  let timer: NodeJS.Timeout | undefined
  const hang = new Promise<string>((resolve) => { timer = setTimeout(() => { resolve(`no answer within ${hangMs} ms`) }, hangMs) })
  try {
    return await Promise.race([hang, inject(app, input)])
  } catch (error) {
    return `threw ${String(error)}`
  } finally {
    clearTimeout(timer)
  }
}

async function inject (app: FastifyInstance, input: Input): Promise<Answered> {
  const headers: Record<string, string | string[]> = Object.create(null)
  for (const [name, value] of input.headers) {
    // as the parser reads bytes off a socket; it refuses control characters itself
    const parsed = Buffer.from(value, 'latin1').toString('latin1').replace(/[^\t\x20-\x7e\x80-\xff]/g, ' ').trim()
    headers[name] = headers[name] === undefined ? parsed : [headers[name], parsed].flat()
  }
  const response = await app.inject({ method: input.verb, url: '/mcp', headers, payload: bytesOf(input), payloadAsStream: true })
  return { status: response.statusCode, headers: { ...response.headers, date: undefined }, text: await textOf(response.stream()) }
}

/** The whole answer; of a subscription, which lasts as long as its client listens, the acknowledgement. */
async function textOf (stream: Readable): Promise<string> {
  let text = ''
  for await (const chunk of stream.setEncoding('utf8')) {
    text += chunk as string
    if (text.includes('notifications/subscriptions/acknowledged')) break // which destroys the stream
  }
  return text
}
