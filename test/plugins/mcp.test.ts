import { readFileSync } from 'node:fs'
import t from 'tap'
import { allowing } from '../helpers/allowlist.ts'
import { buildApp } from '../helpers/build-app.ts'
import { mcpClient, modernMeta, rpcRequest, type Era } from '../helpers/mcp-client.ts'

const manifest = JSON.parse(readFileSync('package.json', 'utf8'))
const eras: Era[] = ['modern', 'legacy']

t.test('POST /mcp', async (t) => {
  const app = await buildApp(t, { env: { SERVICE_DESCRIPTION: 'Does what it is asked.', ALLOWLIST_PATH: allowing(t, 'search_records', 'get_statistics') } })
  const client = mcpClient(app)

  for (const era of eras) {
    t.test(`lists the allowed tools, sorted, in the ${era} era`, async (t) => {
      t.same(await client.list({ era }), ['get_pool_status', 'get_statistics', 'search_records'])
    })

    t.test(`answers arguments that are no object with an error that says so (${era})`, async (t) => {
      for (const [args, name] of [['{}', 'a string'], [[], 'an array'], [7, 'a number'], [true, 'a boolean']] as const) {
        const { message } = await client.call('get_statistics', args, { era })
        t.equal(message.result.isError, true)
        t.equal(message.result.content[0].text, `arguments must be an object, not ${name}`)
      }
    })

    t.test(`takes null arguments as none (${era})`, async (t) => {
      t.equal((await client.call('get_statistics', null, { era })).message.result.structuredContent.group_by, 'status')
    })

    t.test(`never shows validator internals for a request it can't parse (${era})`, async (t) => {
      for (const params of [{}, { name: 5 }, { name: null }, { name: ['search_records'] }]) {
        const { message } = await client.request('tools/call', params, { era })
        t.equal(message.error?.code, -32602)
        t.notMatch(message.error?.message, /\n|"code"|invalid_type/)
        t.match(message.error?.message, /params\.name/)
      }
    })

    t.test(`echoes ids exactly and refuses what is no id (${era})`, async (t) => {
      for (const id of [0, '', '1', -1, 'é\u2028', Number.MAX_SAFE_INTEGER]) t.equal((await client.request('tools/list', {}, { era, id })).message.id, id)
      for (const id of [null, true, {}, [], 1.5, 2 ** 53]) {
        const { status, message } = await client.request('tools/list', {}, { era, id })
        t.equal(status, 400)
        t.equal(message.error?.code, -32600)
      }
    })

    t.test(`answers tools named like parts of an object as unknown (${era})`, async (t) => {
      for (const name of ['constructor', '__proto__', 'toString', 'hasOwnProperty', '', 'é', 'a\nb', 'x'.repeat(5000)]) {
        const { status, message } = await client.call(name, {}, { era })
        t.equal(status, 200, JSON.stringify(name.slice(0, 20)))
        t.equal(message.error?.code, -32602)
        t.match(message.error?.message, /^Tool .* not found$/s)
        t.ok((message.error?.message ?? '').length < 200)
      }
    })

    t.test(`refuses a cursor it never gave out (${era})`, async (t) => {
      for (const cursor of ['', 'abc']) t.equal((await client.request('tools/list', { cursor }, { era })).message.error?.code, -32602)
    })
  }

  t.test('serves plain curl: no Accept, or one that takes everything', async (t) => {
    for (const accept of [undefined, '*/*', 'text/html, */*;q=0.1', 'Text/Event-Stream, Application/JSON']) {
      const { headers, body } = rpcRequest('tools/list', {}, { era: 'legacy' })
      const { accept: _accept, 'mcp-protocol-version': _version, ...rest } = headers
      const { status } = await client.post(body, accept === undefined ? rest : { ...rest, accept })
      t.equal(status, 200, String(accept))
    }
  })

  t.test('opens with initialize in every legacy revision', async (t) => {
    for (const protocolVersion of ['2025-11-25', '2025-06-18', '2025-03-26']) {
      const { message } = await client.request('initialize', { protocolVersion, capabilities: {}, clientInfo: { name: 't', version: '1' } }, { era: 'legacy' })
      t.match(message.result, { protocolVersion, serverInfo: { name: manifest.name, version: manifest.version }, instructions: 'Does what it is asked.' })
    }
    const { message } = await client.request('initialize', { protocolVersion: '2099-01-01', capabilities: {}, clientInfo: { name: 't', version: '1' } }, { era: 'legacy' })
    t.equal(message.result.protocolVersion, '2025-11-25')
    t.equal((await client.request('initialize', {}, { era: 'legacy' })).message.error?.message.includes('\n'), false)
  })

  t.test('ignores a stale session id and mints none', async (t) => {
    for (const era of eras) {
      const { status, headers } = await client.request('tools/list', {}, { era, headers: { 'mcp-session-id': 'stale' } })
      t.equal(status, 200)
      t.equal(headers['mcp-session-id'], undefined)
    }
  })

  t.test('methods other than POST are not allowed', async (t) => {
    for (const method of ['GET', 'HEAD', 'DELETE', 'PUT', 'PATCH'] as const) {
      const { statusCode, headers } = await app.inject({ method, url: '/mcp', headers: { host: 'localhost', accept: 'text/event-stream' } })
      t.equal(statusCode, 405)
      t.match(headers.allow, /POST/)
    }
  })

  t.test('refuses malformed bodies as JSON-RPC', async (t) => {
    const json = { 'content-type': 'application/json', accept: '*/*', host: 'localhost' }
    const deep = (levels: number): string => `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}}`
    const cases: Array<[payload: string, headers: Record<string, string>, status: number, code: number]> = [
      ['{', json, 400, -32700],
      ['', json, 400, -32700],
      ['not json', { ...json, 'content-type': 'Application/JSON; Charset=UTF-8' }, 400, -32700],
      ['{"jsonrpc":"2.0","id":1,"method":"tools/list","__proto__":{"a":1}}', json, 400, -32700],
      ['{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"constructor":{"prototype":{}}}}', json, 400, -32700],
      ['[]', json, 400, -32600],
      ['5', json, 400, -32600],
      ['"tools/list"', json, 400, -32600],
      ['null', json, 400, -32600],
      ['{"jsonrpc":"1.0","id":1,"method":"tools/list"}', json, 400, -32600],
      [deep(70), json, 400, -32600],
      [JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list', params: { x: Array(10_000).fill(0) } }), json, 400, -32600],
      [JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list', params: Object.fromEntries(Array.from({ length: 10_000 }, (_, n) => [`k${n}`, n])) }), json, 400, -32600],
      [deep(30_000), json, 400, -32600],
      ['x=1', { ...json, 'content-type': 'application/x-www-form-urlencoded' }, 415, -32600],
      ['x', { ...json, 'content-type': 'text/plain' }, 415, -32600],
      [JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list', params: { x: 'y'.repeat(1_100_000) } }), json, 413, -32600]
    ]
    for (const [payload, headers, status, code] of cases) {
      const answer = await client.post(payload, headers)
      t.equal(answer.status, status, payload.slice(0, 60))
      t.equal(answer.message?.error?.code, code, payload.slice(0, 60))
      t.equal(answer.message?.jsonrpc, '2.0')
    }
  })

  t.test('a byte-order mark or white space before the body does no harm', async (t) => {
    const { headers, body } = rpcRequest('tools/list', {}, { era: 'legacy' })
    for (const before of ['\n\t ', '\uFEFF']) t.equal((await client.post(before + JSON.stringify(body), headers)).status, 200)
  })

  t.test('takes batches from the one revision that has them, and decides every element', async (t) => {
    const call = (id: number, name: string): object => ({ jsonrpc: '2.0', id, method: 'tools/call', params: { name, arguments: {} } })
    const batch = [call(1, 'get_statistics'), call(2, 'nope'), call(3, 'get_pool_status')]
    const { 'mcp-protocol-version': _version, ...headers } = rpcRequest('tools/call', {}, { era: 'legacy' }).headers

    const { status, messages } = await client.post(batch, headers)

    t.equal(status, 200)
    t.equal(messages.find(({ id }) => id === 1)?.result.structuredContent.total, 0)
    t.equal(messages.find(({ id }) => id === 2)?.error?.code, -32602)
    t.equal(messages.find(({ id }) => id === 3)?.result.structuredContent.server, 'healthy')
    t.equal((await client.post(batch, { ...headers, 'mcp-protocol-version': '2025-03-26' })).status, 200)
    for (const version of ['2025-06-18', '2025-11-25', '2026-07-28']) {
      const refused = await client.post(batch, { ...headers, 'mcp-protocol-version': version })
      t.equal(refused.status, 400, version)
      t.equal(refused.message.error?.code, -32600)
    }
    t.equal((await client.post(Array.from({ length: 101 }, (_, id) => call(id, 'get_statistics')), headers)).status, 400)
  })

  t.test('header and body of a modern request must agree', async (t) => {
    const { headers, body } = rpcRequest('tools/call', { name: 'get_statistics', arguments: {} })
    const cases: Array<[changed: Record<string, string | undefined>, status: number, code: number]> = [
      [{ 'mcp-name': 'search_records' }, 400, -32020],
      [{ 'mcp-name': undefined }, 400, -32020],
      [{ 'mcp-method': 'tools/list' }, 400, -32020],
      [{ 'mcp-method': 'TOOLS/CALL' }, 400, -32020],
      [{ 'mcp-method': undefined }, 400, -32020],
      [{ 'mcp-protocol-version': undefined }, 400, -32020],
      [{ 'mcp-protocol-version': '2025-11-25' }, 400, -32020],
      [{ 'mcp-name': '=?base64?Z2V0X3N0YXRpc3RpY3M=?=' }, 200, 0],
      [{ 'mcp-name': '=?base64?!!!?=' }, 400, -32020],
      [{ 'mcp-name': '  get_statistics ' }, 200, 0]
    ]
    for (const [changed, status, code] of cases) {
      const changedHeaders = Object.fromEntries(Object.entries({ ...headers, ...changed }).filter((entry): entry is [string, string] => entry[1] !== undefined))
      const answer = await client.post(body, changedHeaders)
      t.equal(answer.status, status, JSON.stringify(changed))
      t.equal(answer.message.error?.code ?? 0, code, JSON.stringify(changed))
    }

    const unknownVersion = rpcRequest('tools/list', { _meta: { 'io.modelcontextprotocol/protocolVersion': '2099-01-01' } })
    const answer = await client.post(unknownVersion.body, { ...unknownVersion.headers, 'mcp-protocol-version': '2099-01-01' })
    t.match(answer.message.error, { code: -32022, data: { supported: ['2026-07-28'] } })
    for (const key of Object.keys(modernMeta)) {
      const { headers, body } = rpcRequest('tools/list')
      const { [key as keyof typeof modernMeta]: _removed, ...meta } = modernMeta
      const missing = await client.post({ ...body, params: { _meta: meta } }, headers)
      t.equal(missing.status, 400)
      t.equal(missing.message.error?.code, -32602)
    }
    const removed = await client.request('ping')
    t.equal(removed.status, 404)
    t.equal(removed.message.error?.code, -32601)
  })
})

t.test('a request that names no tool by an own name is never an attempt without a decision', async (t) => {
  const app = await buildApp(t)
  const attempt = { name: 'get_statistics', tool: app.tools.get('get_statistics'), args: {}, principal: { id: 'x', kind: 'anonymous', roles: [] }, era: 'modern', lane: 'sdk', client: { capabilities: {} }, id: '1', deadline: Date.now() + 1000, signal: new AbortController().signal, abort: () => {} } as const

  t.match(await app.callTool(attempt), { outcome: 'denied', reason: 'no_decision' })
})
