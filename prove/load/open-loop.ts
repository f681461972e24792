import { Agent, request } from 'node:http'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'

export interface Answered { outcome: 'ok' | 'shed' | 'refused' | 'failed', status: number, ms: number }

/** Connections stay open between runs: opening thousands at once would measure the kernel's queue of new ones. */
const agent = new Agent({ keepAlive: true, maxSockets: 2_000, maxFreeSockets: 2_000 })

export function closeConnections (): void {
  agent.destroy()
}

export interface Caller { key: string, perSecond: number }

/**
 * Sends requests at a rate that does not depend on the answers: what users do, and what hides no queue.
 * @returns one line per request, of each caller
 */
export async function openLoop (url: string, headers: Record<string, string>, body: string, callers: Caller[], seconds: number): Promise<Map<string, Answered[]>> {
  const answers = new Map(callers.map(({ key }) => [key, [] as Answered[]]))
  const pending: Array<Promise<void>> = []
  const startedAt = performance.now()
  const sent = new Map(callers.map(({ key }) => [key, 0]))
  for (;;) {
    const elapsed = (performance.now() - startedAt) / 1000
    if (elapsed >= seconds) break
    for (const { key, perSecond } of callers) {
      for (let due = Math.floor(elapsed * perSecond) - (sent.get(key) ?? 0); due > 0; due--) {
        sent.set(key, (sent.get(key) ?? 0) + 1)
        pending.push(send(url, { ...headers, 'x-api-key': key }, body).then((answered) => { answers.get(key)?.push(answered) }))
      }
    }
    await delay(1)
  }
  await Promise.all(pending)
  return answers
}

/** As many callers as that, each of which asks again when it is answered. */
export async function closedLoop (url: string, headers: Record<string, string>, body: string, keys: string[], seconds: number): Promise<Answered[]> {
  const answers: Answered[] = []
  const until = performance.now() + seconds * 1000
  await Promise.all(keys.map(async (key) => {
    while (performance.now() < until) answers.push(await send(url, { ...headers, 'x-api-key': key }, body))
  }))
  return answers
}

async function send (url: string, headers: Record<string, string>, body: string): Promise<Answered> {
  const startedAt = performance.now()
  return await new Promise((resolve) => {
    const end = (outcome: Answered['outcome'], status: number): void => { resolve({ outcome, status, ms: performance.now() - startedAt }) }
    const sending = request(url, { method: 'POST', agent, headers: { ...headers, 'content-length': Buffer.byteLength(body) } }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => { text += chunk }).on('error', () => { end('failed', 0) }).on('end', () => {
        const status = response.statusCode as number
        end(status === 429 || status === 503 ? 'shed' : status !== 200 ? 'failed' : text.includes('"isError":true') ? 'refused' : 'ok', status)
      })
    })
    sending.on('error', () => { end('failed', 0) }).end(body)
  })
}

const lag = monitorEventLoopDelay({ resolution: 10 })
lag.enable()

/** How late this process itself was, which is in every figure that it measures; since the last question. */
export function ownLag (): string {
  const text = `p50 ${(lag.percentile(50) / 1e6).toFixed(0)} ms, p99 ${(lag.percentile(99) / 1e6).toFixed(0)} ms`
  lag.reset()
  return text
}

/** How many ended how, in words. */
export function countsOf (answers: Answered[]): string {
  const counts = new Map<string, number>()
  for (const { outcome, status } of answers) counts.set(`${outcome} ${status}`, (counts.get(`${outcome} ${status}`) ?? 0) + 1)
  return [...counts].map(([what, count]) => `${count} ${what}`).join(', ')
}

export function percentile (values: number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? NaN
}
