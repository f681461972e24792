import { rpcRequest, type Era } from '../../test/helpers/mcp-client.ts'

/** One request: its header lines and its bytes, or the JSON they are made from. */
export interface Input {
  verb: 'POST' | 'GET' | 'HEAD' | 'PUT' | 'PATCH' | 'DELETE'
  headers: Array<readonly [name: string, value: string]>
  body: { json: unknown } | { bytes: Buffer }
}

export function bytesOf ({ body }: Input): Buffer {
  return 'bytes' in body ? body.bytes : Buffer.from(JSON.stringify(body.json) ?? '')
}

/** A form that can be pasted into a bug report and read back by `parseInput`. */
export function printInput (input: Input): string {
  return JSON.stringify({ ...input, body: { base64: bytesOf(input).toString('base64') } })
}

export function parseInput (text: string): Input {
  const { body, ...rest } = JSON.parse(text)
  return { ...rest, body: { bytes: Buffer.from(body.base64, 'base64') } }
}

const calls: Array<[name: string, args: object]> = [
  ['search_records', { query: 'Sample' }],
  ['search_records', { query: '', filters: { status: 'active' } }],
  ['search_records', { query: 'Sample', limit: 2, offset: 1, filters: { status: 'active', type: 'typeA', category: 'cat1' } }],
  ['get_record_detail', { record_id: '00000000-0000-4000-8000-000000000000' }],
  ['get_statistics', { group_by: 'type' }],
  ['get_pool_status', {}],
  ['no_such_tool', { a: [1, { b: null }] }]
]

/** Well-formed requests of both eras: where the mutations begin. */
export function seedInputs (): Input[] {
  const input = (method: string, params: object, era: Era): Input => {
    const { headers, body } = rpcRequest(method, params as Record<string, unknown>, { era })
    return { verb: 'POST', headers: Object.entries(headers), body: { json: body } }
  }
  const eras: Era[] = ['modern', 'legacy']
  const singles = eras.flatMap((era) => [
    ...calls.map(([name, args]) => input('tools/call', { name, arguments: args, _meta: { progressToken: 'p' } }, era)),
    input('tools/call', { name: 'get_statistics', inputResponses: { who: {} }, requestState: 'x.y.z' }, era),
    input('tools/list', { cursor: 'x' }, era),
    input('tools/list', {}, era),
    input('server/discover', {}, era),
    input('ping', {}, era),
    input('resources/read', { uri: 'file:///x' }, era),
    input('prompts/get', { name: 'x', arguments: {} }, era),
    input('completion/complete', { ref: { type: 'ref/prompt', name: 'x' }, argument: { name: 'a', value: 'b' } }, era),
    input('subscriptions/listen', { notifications: { toolsListChanged: true, resourceSubscriptions: ['file:///x'] } }, era),
    input('notifications/cancelled', { requestId: 1, reason: 'x' }, era),
    input('logging/setLevel', { level: 'debug' }, era)
  ])
  const initialize = input('initialize', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'c', version: '1' } }, 'legacy')
  const batch: Input = {
    verb: 'POST',
    headers: initialize.headers.filter(([name]) => name !== 'mcp-protocol-version'),
    body: { json: calls.map(([name, args], id) => ({ jsonrpc: '2.0', id, method: 'tools/call', params: { name, arguments: args } })) }
  }
  return [...singles, initialize, batch]
}
