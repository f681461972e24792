import { Agent, request, type IncomingMessage } from 'node:http'
import { readMessages, rpcRequest, type Era } from './mcp-client.ts'

export interface SteadyLoad {
  /** How many requests were answered, and how many streams ended as they should. */
  counts: () => { answered: number, streamsEnded: number, streamsOpen: number }
  /** What went wrong, one line each. */
  failures: string[]
  untilAnswered: (requests: number) => Promise<void>
  /** Lets what is under way finish. */
  stop: () => Promise<void>
}

export interface Call { name: string, args: Record<string, unknown>, era?: Era }

/**
 * Clients that call one after the other on a connection that they keep, and clients that listen and connect again when
 * their stream ends. Nobody tries anything twice: whatever is not answered well is a failure.
 */
export function steadyLoad (url: string, calls: Call[], streams: number): SteadyLoad {
  const failures: string[] = []
  const open = new Set<IncomingMessage>()
  let answered = 0
  let streamsEnded = 0
  const stopping = new AbortController()
  let onAnswer = (): void => {}

  async function ask (agent: Agent, { headers, body }: ReturnType<typeof rpcRequest>, onResponse = (_response: IncomingMessage): void => {}): Promise<{ status: number, text: string }> {
    return await new Promise((resolve, reject) => {
      request(`${url}/mcp`, { method: 'POST', agent, headers }, (response) => {
        let text = ''
        onResponse(response)
        response.setEncoding('utf8')
          .on('data', (chunk: string) => { text += chunk })
          .on('error', reject)
          .on('end', () => { resolve({ status: response.statusCode ?? 0, text }) })
          .on('close', () => { reject(new Error('cut off')) })
      }).on('error', reject).end(JSON.stringify(body))
    })
  }

  async function caller ({ name, args, era }: Call): Promise<void> {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    while (!stopping.signal.aborted) {
      try {
        const { status, text } = await ask(agent, rpcRequest('tools/call', { name, arguments: args }, { era }))
        const message = status === 200 ? readMessages(text).at(-1) : undefined
        if (message?.result === undefined || message.result.isError === true) failures.push(`${name}: ${status} ${text}`)
        answered++
      } catch (error) {
        failures.push(`${name}: ${String(error)}`)
      }
      onAnswer()
    }
    agent.destroy()
  }

  async function listener (): Promise<void> {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    while (!stopping.signal.aborted) {
      let stream: IncomingMessage | undefined
      try {
        const { status, text } = await ask(agent, rpcRequest('subscriptions/listen', { notifications: { toolsListChanged: true } }), (response) => {
          stream = response
          open.add(response)
        })
        if (status === 200 && /"resultType":"complete"/.test(text)) streamsEnded++
        else failures.push(`stream: ${status} ${text}`)
      } catch (error) {
        if (!stopping.signal.aborted) failures.push(`stream: ${String(error)}`)
      }
      if (stream !== undefined) open.delete(stream)
    }
    agent.destroy()
  }

  const clients = [...calls.map(caller), ...Array.from({ length: streams }, listener)]

  return {
    counts: () => ({ answered, streamsEnded, streamsOpen: open.size }),
    failures,
    untilAnswered: async (requests) => {
      await new Promise<void>((resolve) => {
        onAnswer = () => { if (answered + failures.length >= requests) resolve() }
        onAnswer()
      })
    },
    stop: async () => {
      stopping.abort()
      for (const stream of open) stream.destroy()
      await Promise.all(clients)
    }
  }
}
