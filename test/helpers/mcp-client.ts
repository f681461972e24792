import type { FastifyInstance, InjectOptions } from 'fastify'

export type Era = 'modern' | 'legacy'

export interface RpcMessage {
  jsonrpc: string
  id: unknown
  result?: any
  error?: { code: number, message: string, data?: any }
}

export interface Answer {
  status: number
  headers: Record<string, unknown>
  text: string
  /** The response; for a batch use `messages`. */
  message: RpcMessage
  messages: RpcMessage[]
}

export const modernMeta = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {}
}

/** Headers and body of a request as a client of that era sends it. */
export function rpcRequest (method: string, params: Record<string, unknown> = {}, { era = 'modern', id = 1 }: { era?: Era, id?: unknown } = {}): { headers: Record<string, string>, body: Record<string, unknown> } {
  const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream', host: 'localhost:8000' }
  if (era === 'legacy') return { headers: { ...headers, 'mcp-protocol-version': '2025-11-25' }, body: { jsonrpc: '2.0', id, method, params } }
  return {
    headers: { ...headers, 'mcp-protocol-version': '2026-07-28', 'mcp-method': method, ...typeof params.name === 'string' ? { 'mcp-name': headerValue(params.name) } : {} },
    body: { jsonrpc: '2.0', id, method, params: { ...params, _meta: { ...modernMeta, ...params._meta as object } } }
  }
}

/** Header values that are not plain visible ASCII, or look encoded, travel in base64 (revision 2026-07-28). */
function headerValue (text: string): string {
  return /^(?!=\?base64\?.*\?=$)[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(text) ? text : `=?base64?${Buffer.from(text).toString('base64')}?=`
}

/** Reads a JSON body or an event stream. */
export function readMessages (text: string): RpcMessage[] {
  if (text === '') return []
  if (!/^(event|data|id|:)/.test(text)) return [JSON.parse(text)].flat()
  return text.split('\n').filter((line) => line.startsWith('data: ')).flatMap((line) => JSON.parse(line.slice(6)))
}

/** A client that talks to the server in process. */
export function mcpClient (app: FastifyInstance, defaultHeaders: Record<string, string> = {}) {
  async function post (payload: InjectOptions['payload'], headers: Record<string, string>): Promise<Answer> {
    const response = await app.inject({ method: 'POST', url: '/mcp', headers: { ...headers, ...defaultHeaders }, payload })
    const messages = readMessages(response.payload)
    return { status: response.statusCode, headers: response.headers, text: response.payload, messages, message: messages.at(-1) as RpcMessage }
  }

  async function request (method: string, params: Record<string, unknown> = {}, options: { era?: Era, id?: unknown, headers?: Record<string, string> } = {}): Promise<Answer> {
    const { headers, body } = rpcRequest(method, params, options)
    return await post(body, { ...headers, ...options.headers })
  }

  return {
    post,
    request,
    /** The result of tools/call, or its JSON-RPC error. */
    call: async (name: string, args: unknown = {}, options: { era?: Era, headers?: Record<string, string> } = {}): Promise<Answer> =>
      await request('tools/call', { name, arguments: args }, options),
    list: async (options: { era?: Era } = {}): Promise<string[]> =>
      (await request('tools/list', {}, options)).message.result.tools.map(({ name }: { name: string }) => name)
  }
}
