import { Client as Client2, StreamableHTTPClientTransport as Transport2, type ClientOptions } from '@modelcontextprotocol/client'
import { Client as Client1 } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as Transport1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Era } from './mcp-client.ts'

export interface Progress { progress: number, total?: number, message?: string }

export interface CallOptions {
  signal?: AbortSignal
  onprogress?: (progress: Progress) => void
}

/** What the tests want of any client, whatever its line or revision. */
export interface AnyClient {
  era: Era
  list: () => Promise<string[]>
  /** The result of tools/call; rejects on a JSON-RPC error. */
  call: (name: string, args: Record<string, unknown>, options?: CallOptions) => Promise<any>
  close: () => Promise<void>
}

export type Connect = (url: string, headers?: Record<string, string>) => Promise<AnyClient>

const info = { name: 'test', version: '1' }

const sdk1: Connect = async (url, headers = {}) => {
  const client = new Client1(info)
  await client.connect(new Transport1(new URL('/mcp', url), { requestInit: { headers } }))
  return {
    era: 'legacy',
    list: async () => (await client.listTools()).tools.map(({ name }) => name),
    call: async (name, args, options) => await client.callTool({ name, arguments: args }, undefined, options),
    close: async () => { await client.close() }
  }
}

const sdk2 = (mode: NonNullable<ClientOptions['versionNegotiation']>['mode'], era: Era): Connect => async (url, headers = {}) => {
  const client = new Client2(info, { versionNegotiation: { mode } })
  await client.connect(new Transport2(new URL('/mcp', url), { requestInit: { headers } }))
  if (client.getProtocolEra() !== era) throw new Error(`negotiated ${client.getNegotiatedProtocolVersion()}`)
  return {
    era,
    list: async () => (await client.listTools()).tools.map(({ name }) => name),
    call: async (name, args, options) => await client.callTool({ name, arguments: args }, options),
    close: async () => { await client.close() }
  }
}

/** The official TypeScript clients, each in every way it negotiates a revision. */
export const sdkClients = {
  'client 1.x': sdk1,
  'client 2.x, legacy': sdk2('legacy', 'legacy'),
  'client 2.x, auto': sdk2('auto', 'modern'),
  'client 2.x, pinned to 2026-07-28': sdk2({ pin: '2026-07-28' }, 'modern')
}

/** One client of each era, from independent code bases. */
export const clientOfEra = {
  '2026-07-28 (client 2.x)': sdkClients['client 2.x, pinned to 2026-07-28'],
  '2025-11-25 (client 1.x)': sdkClients['client 1.x']
}
