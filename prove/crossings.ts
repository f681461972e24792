import { randomBytes } from 'node:crypto'
import { Agent, request } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { Kept } from '../bench/programs/serve.ts'
import { legacy, modern, type RpcRequest } from '../bench/rpc.ts'
import { withServer } from './load/server.ts'

// npm run prove:crossings (S7, R7): two hundred clients that use the same ids at the same time; each must only ever see
// its own, and the server must keep nothing of them.
const { values } = parseArgs({ options: { calls: { type: 'string', default: '1000000' }, clients: { type: 'string', default: '200' } } })
const [calls, clients] = [Number(values.calls), Number(values.clients)]
const abortShare = 0.1
const warmCalls = Math.max(3_000, calls / 10) // before them: what a server learns once is not what it keeps of a call
const mostGrowth = calls < 1_000_000 ? 4_194_304 : 1_048_576 * calls / 1_000_000 // in a short run the noise is larger than what a million calls may leave
const parts = calls < 100_000 ? 1 : 4 // what is kept of each call grows in all of them, what is learned in the first
const moreFiles = 20 // the pool may have opened all of its connections meanwhile
const env = { DB_POOL_MAX: '20', RATE_LIMIT_PER_MINUTE: '0', ATTEMPT_LIMIT_PER_MINUTE: '0', CALL_CONCURRENCY: '200', CALL_QUEUE: '1000', CALL_QUEUE_TIMEOUT_MS: '30000', DB_ACQUIRE_TIMEOUT_MS: '30000' }

const seen: Record<string, number> = {}
const crossings: string[] = []
const inMegabytes = (bytes: number): string => (bytes / 1e6).toFixed(2)
const faults: string[] = []

await withServer(clients, env, async ({ url, keys, kept }) => {
  /** Sockets are shared: another client's answer may be on them. */
  const ask = async (amount: number): Promise<void> => {
    const agent = new Agent({ keepAlive: true, maxSockets: clients })
    let started = 0
    await Promise.all(keys.map(async (key, index) => {
      while (started++ < amount && crossings.length === 0) {
        const canary = `canary-${index}-${randomBytes(8).toString('hex')}`
        const outcome = await askOnce(agent, url, key, index, canary)
        seen[outcome] = (seen[outcome] ?? 0) + 1
        const done = Object.values(seen).reduce((sum, count) => sum + count)
        if (done % 50_000 === 0) console.log(`${done} calls, ${JSON.stringify(seen)}`)
      }
    }))
    agent.destroy()
  }

  /** When nothing has been closed or collected for a while. */
  const atRest = async (): Promise<Kept> => {
    let last = await kept()
    for (let calm = 0; calm < 5;) {
      await delay(1_000)
      const now = await kept()
      calm = now.files < last.files || now.heapBytes < last.heapBytes * 0.99 ? 0 : calm + 1
      last = now
    }
    return last
  }

  await ask(warmCalls)
  const before = await atRest()
  let after = before
  for (let part = 0; part < parts; part++) {
    await ask(calls / parts)
    const now = await atRest()
    console.log(`heap after collection ${inMegabytes(now.heapBytes)} MB, ${inMegabytes(now.heapBytes - after.heapBytes)} more than ${calls / parts} calls before`)
    after = now
  }
  const grown = after.heapBytes - before.heapBytes
  console.log(`heap after collection ${inMegabytes(before.heapBytes)} MB after ${warmCalls} calls, ${inMegabytes(after.heapBytes)} MB at the end: ${inMegabytes(grown)} MB more; open files ${before.files}, then ${after.files}`)
  if (grown > mostGrowth) faults.push(`the heap grew by ${grown} bytes`)
  if (after.files > before.files + moreFiles) faults.push(`${after.files - before.files} more files are open`)
})
console.log(`${calls} calls of ${clients} clients: ${JSON.stringify(seen)}; ${crossings.length} crossings`)
for (const fault of [...crossings, ...faults]) console.error(fault)
process.exitCode = crossings.length + faults.length === 0 && (seen.ok ?? 0) > calls / 2 ? 0 : 1

async function askOnce (agent: Agent, url: string, key: string, index: number, canary: string): Promise<string> {
  const { headers, body } = requestOf(canary, Math.random() < 0.05 ? Math.ceil(Math.random() * 20) : 0)
  return await new Promise((resolve) => {
    let text = ''
    const sending = request(url, { method: 'POST', agent, headers: { ...headers, 'x-api-key': key, 'content-length': Buffer.byteLength(body) } }, (response) => {
      response.setEncoding('utf8').on('data', (chunk: string) => { text += chunk }).on('error', () => { resolve(judge(text, index, canary, 'aborted')) }).on('end', () => { resolve(judge(text, index, canary)) })
    })
    sending.on('error', () => { resolve(judge(text, index, canary, 'aborted')) }).end(body)
    if (Math.random() < abortShare) setTimeout(() => { sending.destroy() }, Math.random() * 40)
  })
}

/** Also half an answer may hold nothing of anybody else's. */
function judge (text: string, index: number, canary: string, fallback?: string): string {
  const foreign = [...text.matchAll(/canary-\d+-[0-9a-f]{16}/g)].map(([found]) => found).find((found) => found !== canary)
  const someoneElse = [...text.matchAll(/\b(?:caller|tenant)-(\d+)\b/g)].map(([, number]) => Number(number)).find((number) => number !== index)
  if (foreign !== undefined || someoneElse !== undefined) crossings.push(`client ${index} with ${canary} was sent ${text}`)
  if (fallback !== undefined) return fallback
  if (text.includes(`"fromDatabase":"${canary}"`) && text.includes(`"principal":"caller-${index}"`) && text.includes(`"tenant":"tenant-${index}"`)) return 'ok'
  if (text.includes('io.portcullis/outcome') || text.includes('"code":400')) return 'refused'
  crossings.push(`client ${index} was sent something else: ${text}`)
  return 'strange'
}

/** Every client uses id 1 and progress token 1. */
function requestOf (canary: string, ms: number): RpcRequest {
  const params = { name: 'whoami', arguments: { canary, ms } }
  if (Math.random() < 0.5) return modern('tools/call', params)
  return legacy('tools/call', { ...params, _meta: { progressToken: 1 } })
}
