export interface RpcRequest { headers: Record<string, string>, body: string }
export interface RpcMessage { result?: any, error?: any }

const common = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' }
const revision = '2026-07-28'

/** A request as a client of revision 2026-07-28 sends it; the answer is one JSON body. */
export function modern (method: string, params: { name?: string, arguments?: object } = {}): RpcRequest {
  const _meta = { 'io.modelcontextprotocol/protocolVersion': revision, 'io.modelcontextprotocol/clientCapabilities': {} }
  return {
    headers: { ...common, 'mcp-protocol-version': revision, 'mcp-method': method, ...params.name === undefined ? {} : { 'mcp-name': params.name } },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { ...params, _meta } })
  }
}

/** The same as a client of revision 2025-11-25 sends it; the answer is an event stream. */
export function legacy (method: string, params: object = {}): RpcRequest {
  return {
    headers: { ...common, 'mcp-protocol-version': '2025-11-25' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
  }
}

/** The response in a JSON body or in the last event of a stream. */
export function readMessage (text: string): RpcMessage {
  const data = text.startsWith('{') ? text : text.split('\n').findLast((line) => line.startsWith('data: '))?.slice('data: '.length)
  return JSON.parse(data ?? 'null') ?? {}
}
