import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Finding } from './fuzz.ts'
import type { Block } from './loop-watch.ts'
import { createRandom } from './random.ts'
import { converse, faultInConversation } from './raw.ts'

const atOnce = 16

export interface SocketReport { findings: Finding[], conversations: number, block: Block }

/** Talks raw bytes to a server in a process of its own, which must outlive them all. */
export async function fuzzOverSockets (databaseUrl: string, seed: number, count: number): Promise<SocketReport> {
  const child = fork(join(import.meta.dirname, 'server.js'), [databaseUrl])
  const exit = once(child, 'exit')
  try {
    const [port] = await once(child, 'message') as [number]
    return await talk(child, port, seed, count)
  } finally {
    if (child.connected) child.disconnect()
    await exit
  }
}

async function talk (child: ChildProcess, port: number, seed: number, count: number): Promise<SocketReport> {
  const report: SocketReport = { findings: [], conversations: 0, block: { wallMs: NaN, busyMs: NaN } }
  const random = createRandom(seed)
  const isOver = (): boolean => child.exitCode !== null || child.signalCode !== null

  const batch = async (): Promise<void> => {
    await Promise.all(Array.from({ length: atOnce }, async () => {
      const conversation = converse(random)
      const fault = await faultInConversation(port, conversation)
      report.conversations++
      if (fault !== undefined) report.findings.push({ fault, input: `raw, then ${conversation.ending}: ${conversation.bytes.toString('base64')}` })
    }))
  }
  const blocks = async (): Promise<Block> => {
    child.send('blocks')
    return (await once(child, 'message') as [Block])[0]
  }

  await batch() // the first requests compile the code
  await blocks()
  while (report.conversations < count && !isOver()) await batch()
  if (isOver()) report.findings.push({ fault: `the server ended (${String(child.exitCode ?? child.signalCode)})`, input: `seed ${seed}` })
  else if ((await fetch(`http://127.0.0.1:${port}/readyz`)).status !== 200) report.findings.push({ fault: 'the server is not ready afterwards', input: `seed ${seed}` })
  return { ...report, block: isOver() ? report.block : await blocks() }
}
