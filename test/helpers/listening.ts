import { request } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { readMessages, type RpcMessage } from './mcp-client.ts'

/** A list sends the header once per value; undefined leaves it out. */
export type Headers = Record<string, string | string[] | undefined>

export interface Sent {
  verb?: string
  headers: Headers
  /** Bytes as they are, or JSON. */
  body?: unknown
}

export interface Received {
  status: number
  headers: Record<string, string | string[] | undefined>
  text: string
  messages: RpcMessage[]
}

/** Serves the app on a free port and sends it requests byte for byte: `inject` neither trims nor repeats a header. */
export async function listening (app: FastifyInstance, host = '127.0.0.1'): Promise<(sent: Sent) => Promise<Received>> {
  await app.listen({ host, port: 0 })
  const { address, port } = app.server.address() as AddressInfo

  return async ({ verb = 'POST', headers, body }) => await new Promise((resolve, reject) => {
    const present = Object.fromEntries(Object.entries(headers).filter((entry): entry is [string, string | string[]] => entry[1] !== undefined))
    const sending = request({ host: address, port, path: '/mcp', method: verb, headers: present, agent: false }, (response) => {
      let text = ''
      response.setEncoding('utf8')
        .on('data', (chunk: string) => { text += chunk })
        .on('end', () => { resolve({ status: response.statusCode as number, headers: response.headers, text, messages: readMessages(text) }) })
        .on('error', reject)
    })
    sending.on('error', reject).end(body === undefined || typeof body === 'string' ? body : JSON.stringify(body))
  })
}
