import { once } from 'node:events'
import { connect, type AddressInfo } from 'node:net'
import { isDeepStrictEqual } from 'node:util'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { Type } from 'typebox'
import type { Environment } from '../../config/variables.ts'
import { parseAllowlist } from '../../src/allowlist.ts'
import type { Policy } from '../../src/mcp/registry.ts'
import type { Call, Principal, Tool } from '../../src/mcp/tool.ts'
import { bareApp, principalHeader } from '../helpers/bare-app.ts'
import { mcpClient, readMessages, rpcRequest, type Era, type RpcMessage } from '../helpers/mcp-client.ts'

const alice: Principal = { id: 'alice', kind: 'api-key', roles: ['user'] }
const bob: Principal = { id: 'bob', kind: 'api-key', roles: ['user'] }
const eras: Era[] = ['modern', 'legacy']

/** A server with a tool that answers at once and one that waits until it is told to go on. */
async function serverWith (t: Test, { env, allowlist = 'roles: { user: { allow: ["*"] } }', limits, beforeAuthentication }: { env?: Environment, allowlist?: string, limits?: Tool['limits'], beforeAuthentication?: () => Promise<void> }) {
  const gates: Array<() => void> = []
  const tool = (name: string, handler: (call: Call) => Promise<{ said: string }>): Tool<any, any> => ({ name, description: name, effect: 'read', input: Type.Object({}), output: Type.Object({ said: Type.String() }), limits, handler: async (_args, call) => await handler(call) })
  let policy: Policy = parseAllowlist(allowlist, 'x')
  let reloads = 0
  const { app, takeLog } = await bareApp(t, {
    policy: { get digest () { return `${reloads}` }, allows: (principal, name) => policy.allows(principal, name), limits: (principal, name) => (policy.limits as NonNullable<Policy['limits']>)(principal, name) },
    tools: [
      tool('echo', async () => ({ said: 'hi' })),
      tool('other', async () => ({ said: 'hi' })),
      tool('long', async () => ({ said: 'é'.repeat(500) })),
      tool('wait', async ({ signal }) => await new Promise((resolve, reject) => {
        gates.push(() => { resolve({ said: 'done' }) })
        signal.addEventListener('abort', () => { reject(signal.reason) })
      })),
      tool('deaf', async () => await new Promise((resolve) => { gates.push(() => { resolve({ said: 'at last' }) }) }))
    ],
    env,
    beforeAuthentication
  })
  return {
    app,
    takeLog,
    gates,
    clientOf: (principal: Principal) => mcpClient(app, principalHeader(principal)),
    reload: (text: string) => {
      policy = parseAllowlist(text, 'x')
      reloads++
    },
    /** As many calls wait inside of the tool. */
    untilInside: async (calls: number) => { while (gates.length < calls) await new Promise((resolve) => { setImmediate(resolve) }) }
  }
}

/** A batch of revision 2025-03-26. */
async function batch ({ post }: ReturnType<typeof mcpClient>, calls: string[]): Promise<{ status: number, messages: RpcMessage[] }> {
  const { headers: { 'mcp-protocol-version': _version, ...headers } } = rpcRequest('ping', {}, { era: 'legacy' })
  return await post(calls.map((name, id) => rpcRequest('tools/call', { name, arguments: {} }, { era: 'legacy', id }).body), headers)
}

async function untilStats (app: FastifyInstance, stats: ReturnType<FastifyInstance['limits']['stats']>): Promise<void> {
  while (!isDeepStrictEqual(app.limits.stats(), stats)) await new Promise((resolve) => { setImmediate(resolve) })
}

async function until (isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => { setImmediate(resolve) })
}

const outcomeOf = ({ result }: RpcMessage): string => result?._meta?.['io.portcullis/outcome'] ?? 'ok'

for (const era of eras) {
  t.test(`a principal has so many calls of a tool in a minute, whoever else calls what (${era})`, async (t) => {
    const { clientOf, takeLog } = await serverWith(t, { env: { RATE_LIMIT_PER_MINUTE: '3' } })
    const { call } = clientOf(alice)
    for (let time = 0; time < 3; time++) t.equal(outcomeOf((await call('echo', {}, { era })).message), 'ok')

    takeLog()
    const { status, message } = await call('echo', {}, { era })
    t.equal(status, 200, 'the model must read it')
    t.match(message.result, { isError: true, content: [{ type: 'text', text: /^Too many calls of echo\. Try again in (19|20) s\.$/ }], _meta: { 'io.portcullis/outcome': 'limited' } })
    const waitMs = message.result._meta['io.portcullis/retryAfterMs']
    t.ok(waitMs > 10_000 && waitMs <= 20_000, String(waitMs))
    t.notOk('structuredContent' in message.result)
    t.match(takeLog().filter(({ msg }) => msg === 'tool call'), [{ outcome: 'limited', reason: 'rate', tool: 'echo', principal: 'alice' }])

    t.equal(outcomeOf((await call('other', {}, { era })).message), 'ok')
    t.equal(outcomeOf((await clientOf(bob).call('echo', {}, { era })).message), 'ok')
    t.equal(outcomeOf((await clientOf({ ...alice, kind: 'oauth' }).call('echo', {}, { era })).message), 'ok', 'the id of another kind is another principal')
    t.equal(outcomeOf((await clientOf({ ...alice, tenant: 'acme' }).call('echo', {}, { era })).message), 'ok')
    t.equal(outcomeOf((await clientOf({ ...alice, roles: ['user', 'more'] }).call('echo', {}, { era })).message), 'limited', 'roles make no other principal')
  })
}

t.test('the elements of a batch count one by one', async (t) => {
  const { clientOf } = await serverWith(t, { env: { RATE_LIMIT_PER_MINUTE: '3' } })
  const { messages } = await batch(clientOf(alice), ['echo', 'echo', 'other', 'echo', 'echo', 'echo'])
  t.same(messages.map(outcomeOf).sort(), ['limited', 'limited', 'ok', 'ok', 'ok', 'ok'])
})

t.test('refused messages draw on the budget of a principal; past it every request is answered 429', async (t) => {
  const { clientOf, takeLog } = await serverWith(t, { env: { ATTEMPT_LIMIT_PER_MINUTE: '6' }, allowlist: 'roles: { user: { allow: [echo] } }' })
  const { call, request } = clientOf(alice)
  for (const name of ['other', 'no_such_tool']) t.equal((await call(name)).message.error?.code, -32602)
  t.equal((await call('echo', { unknown: 1 })).message.result.isError, true)
  t.equal((await request('tools/list')).status, 200)
  t.equal((await request('nonsense')).status, 404)
  t.equal((await call('echo')).status, 200)

  for (const era of eras) {
    for (const { status, headers, message } of [await call('echo', {}, { era }), await call('other', {}, { era }), await request('tools/list', {}, { era })]) {
      t.equal(status, 429)
      t.match(message, { jsonrpc: '2.0', id: null, error: { code: 4005, message: /^Too many requests\. Try again in (9|10) s\.$/ } })
      t.match(headers, { 'retry-after': /^(9|10)$/, 'ratelimit-policy': '"attempts";q=6;w=60', ratelimit: /^"attempts";r=0;t=(9|10)$/ })
    }
  }
  t.match(takeLog().filter(({ msg }) => /request/.test(msg) && !/refused by the protocol/.test(msg)), [{ source: 'alice', msg: 'a principal is over its limits: its requests are refused' }], 'told once')
  t.equal((await clientOf(bob).call('echo')).status, 200)
})

t.test('a batch draws one for each message, and one that no wait makes room for says so', async (t) => {
  const { clientOf } = await serverWith(t, { env: { ATTEMPT_LIMIT_PER_MINUTE: '6' } })
  t.match(await batch(clientOf(alice), Array.from({ length: 8 }, () => 'echo')), { status: 400, messages: [{ error: { code: -32600, message: 'A batch may hold at most 6 messages here; send smaller ones' } }] })
  t.equal((await batch(clientOf(bob), ['echo', 'echo', 'echo', 'echo'])).status, 200)
  t.equal((await batch(clientOf(bob), ['echo', 'echo', 'echo', 'echo'])).status, 429)
})

t.test('past its place in the queue a request is answered before its body is read', async (t) => {
  const { app, clientOf, gates, untilInside } = await serverWith(t, { allowlist: 'roles: { user: { allow: ["*"], limits: { concurrency: 1, queue: 1 } } }' })
  const { call } = clientOf(alice)
  const first = call('wait')
  await untilInside(1)
  const second = call('wait')
  await untilStats(app, { running: 1, waiting: 1, callers: 1 })

  await app.listen({ host: '127.0.0.1', port: 0 })
  const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1')
  socket.write(`POST /mcp HTTP/1.1\r\nHost: localhost\r\n${Object.entries(principalHeader(alice)).map(([name, value]) => `${name}: ${value}\r\n`).join('')}Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n`)
  const [head] = await once(socket, 'data')
  t.match(String(head), /^HTTP\/1\.1 429 [^]*retry-after: 1\r\n[^]*ratelimit-policy: "requests";q=2;qu="concurrent-requests"\r\n/i)
  socket.destroy()

  t.equal((await clientOf(bob).call('echo')).status, 200)
  gates[0]?.()
  t.equal(outcomeOf((await first).message), 'ok')
  await untilInside(2)
  gates[1]?.()
  t.equal(outcomeOf((await second).message), 'ok')
  t.equal(outcomeOf((await call('echo')).message), 'ok', 'places are given back')
})

t.test('what waits in a batch is bounded as well', async (t) => {
  const { clientOf, gates, untilInside } = await serverWith(t, { allowlist: 'roles: { user: { allow: ["*"], limits: { concurrency: 1, queue: 2 } } }' })
  const answer = batch(clientOf(alice), ['wait', 'wait', 'wait', 'wait', 'wait'])
  for (let call = 0; call < 3; call++) {
    await untilInside(call + 1)
    gates[call]?.()
  }
  const { messages } = await answer
  t.same(messages.map(outcomeOf).sort(), ['limited', 'limited', 'ok', 'ok', 'ok'])
  t.match(messages.find((message) => outcomeOf(message) === 'limited')?.result, { content: [{ text: /^Too many of your calls are running or waiting\. Try again in \d+ s\.$/ }], _meta: { 'io.portcullis/retryAfterMs': Number } })
})

t.test('a server with no room says so, and a call that can\'t be in time is not kept waiting', async (t) => {
  const { clientOf, gates, untilInside, takeLog } = await serverWith(t, { env: { CALL_CONCURRENCY: '1', CALL_QUEUE: '0' } })
  const running = clientOf(alice).call('wait')
  await untilInside(1)
  for (const [principal, source] of [[bob, 'calls that wait for their turn'], [alice, 'requests in flight']] as const) { // whoever holds all places is told before its body is read
    takeLog()
    const { status, headers, message } = await clientOf(principal).call('echo')
    t.equal(status, 503)
    t.equal(headers['retry-after'], '1')
    t.match(message.error, { code: 4006, message: 'The server is overloaded; try again in 1 s' })
    t.match(takeLog().filter(({ level }) => (level as number) >= 40), [{ source, msg: 'overloaded: requests are refused' }])
  }
  t.same((await batch(clientOf(bob), ['echo', 'echo'])).messages.map(outcomeOf), ['unavailable', 'unavailable'], 'the calls of a batch are told one by one')
  gates[0]?.()
  await running
})

t.test('a client that leaves gives its place back, running or waiting', async (t) => {
  const { app, clientOf, untilInside, takeLog } = await serverWith(t, { allowlist: 'roles: { user: { allow: ["*"], limits: { concurrency: 1, queue: 1 } } }' })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const { headers: { host: _host, ...headers }, body } = rpcRequest('tools/call', { name: 'wait', arguments: {} })
  const clients = [new AbortController(), new AbortController()]
  const requests = clients.map(({ signal }) => fetch(`http://127.0.0.1:${port}/mcp`, { method: 'POST', headers: { ...headers, ...principalHeader(alice) }, body: JSON.stringify(body), signal }).catch(() => {}))
  await untilInside(1)
  await untilStats(app, { running: 1, waiting: 1, callers: 1 })
  for (const client of clients) client.abort()
  await Promise.all(requests)
  await untilStats(app, { running: 0, waiting: 0, callers: 0 })
  const lines = takeLog()
  t.equal(lines.filter(({ msg, outcome }) => msg === 'tool call' && outcome === 'cancelled').length, 1)
  t.match(lines.filter(({ msg }) => msg === 'request refused'), [{ code: 'MCP_CLIENT_GONE' }], 'nothing was done for the one that waited')
  t.equal(outcomeOf((await clientOf(alice).call('echo')).message), 'ok')
})

t.test('a client that leaves while it is asked who it is holds no place', async (t) => {
  let go = (): void => {}
  let asked = 0
  let isSlow = true
  const { app, clientOf } = await serverWith(t, {
    allowlist: 'roles: { user: { allow: ["*"], limits: { concurrency: 1, queue: 0 } } }',
    beforeAuthentication: async () => {
      asked++
      if (isSlow) await new Promise<void>((resolve) => { go = resolve })
    }
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { headers: { host: _host, ...headers }, body } = rpcRequest('tools/call', { name: 'echo', arguments: {} })
  for (const request of [1, 2, 3]) {
    const client = new AbortController()
    const gone = new Promise<void>((resolve) => { app.server.once('request', (_request, response) => { response.once('close', resolve) }) })
    const asking = fetch(`http://127.0.0.1:${(app.server.address() as AddressInfo).port}/mcp`, { method: 'POST', headers: { ...headers, ...principalHeader(alice) }, body: JSON.stringify(body), signal: client.signal }).catch(() => {})
    await until(() => asked === request)
    client.abort()
    await Promise.all([asking, gone])
    go()
  }
  isSlow = false
  t.equal((await clientOf(alice).call('echo')).status, 200)
})

t.test('a handler that goes on after its caller has left still counts', async (t) => {
  const { app, clientOf, gates, untilInside } = await serverWith(t, { env: { CALL_QUEUE_TIMEOUT_MS: '50' }, allowlist: 'roles: { user: { allow: ["*"], limits: { concurrency: 1, tools: { deaf: { timeoutMs: 20 } } } } }' })
  const { call } = clientOf(alice)
  t.equal(outcomeOf((await call('deaf')).message), 'timeout')
  t.equal(gates.length, 1)
  t.equal((await call('echo')).status, 503, 'its place is taken')
  gates[0]?.()
  await untilStats(app, { running: 0, waiting: 0, callers: 0 })
  await untilInside(1)
  t.equal(outcomeOf((await call('echo')).message), 'ok')
})

t.test('a batch that waits as long as it is told is served', async (t) => {
  const { clientOf } = await serverWith(t, { env: { ATTEMPT_LIMIT_PER_MINUTE: '600' } })
  const many = Array.from({ length: 90 }, () => 'echo')
  const { post } = clientOf(alice)
  const ask = async (): Promise<{ status: number, headers: Record<string, unknown> }> => {
    const { headers: { 'mcp-protocol-version': _version, ...headers } } = rpcRequest('ping', {}, { era: 'legacy' })
    return await post(many.map((name, id) => rpcRequest('tools/call', { name, arguments: {} }, { era: 'legacy', id }).body), headers)
  }
  let refused: Record<string, unknown> | undefined
  for (let time = 0; refused === undefined; time++) {
    const { status, headers } = await ask()
    if (status === 429) refused = headers
  }
  await new Promise((resolve) => { setTimeout(resolve, Number(refused?.['retry-after']) * 1000) })
  t.equal((await ask()).status, 200)
})

t.test('the file\'s limits hold for roles and tools, from the moment it changes', async (t) => {
  const { clientOf, reload } = await serverWith(t, { env: { RATE_LIMIT_PER_MINUTE: '100' }, allowlist: 'roles: { user: { allow: ["*"] } }' })
  const { call } = clientOf(alice)
  t.equal(outcomeOf((await call('echo')).message), 'ok')
  reload('limits: { perMinute: 2 }\nroles: { user: { allow: ["*"], limits: { tools: { other: { perMinute: 1 }, long: { resultBytes: 1000 }, wait: { timeoutMs: 20 } } } } }')
  t.equal(outcomeOf((await call('echo')).message), 'ok', 'what is left of the bucket')
  t.equal(outcomeOf((await call('echo')).message), 'ok')
  t.equal(outcomeOf((await call('echo')).message), 'limited')
  t.equal(outcomeOf((await call('other')).message), 'ok')
  t.equal(outcomeOf((await call('other')).message), 'limited')

  const { message } = await call('long')
  t.match(message.result, { isError: true, content: [{ text: 'The result is longer than the 1000 bytes that may leave. Ask for less.' }], _meta: { 'io.portcullis/outcome': 'withheld' } })
  t.notOk('structuredContent' in message.result)
  t.equal(outcomeOf((await call('wait')).message), 'timeout')
  reload('roles: { user: { allow: ["*"], limits: { tools: { long: { resultBytes: 1011 } } } } }')
  t.equal(outcomeOf((await call('long')).message), 'ok', 'é has two bytes, quotes and key have eleven')
})

t.test('a body that is longer than its sender may send is cut while it arrives', async (t) => {
  const { app, clientOf } = await serverWith(t, { allowlist: 'roles: { user: { allow: ["*"], limits: { bodyBytes: 600 } }, more: { allow: ["*"], limits: { bodyBytes: 1000000000 } } }' })
  const { call } = clientOf(alice)
  t.equal(outcomeOf((await call('echo')).message), 'ok')
  const long = { text: 'x'.repeat(600) }
  const { status, message, headers } = await call('echo', long)
  t.equal(status, 413)
  t.match(message.error, { code: -32600, message: 'The body is larger than this server accepts' })
  t.equal(headers.connection, 'close')
  t.match((await clientOf({ ...bob, roles: ['user', 'more'] }).call('echo', long)).message.result.content[0].text, /^arguments has no "text"/, 'another role may send more')

  await app.listen({ host: '127.0.0.1', port: 0 })
  const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1')
  socket.on('error', () => {}) // the server may close while we still send
  socket.write(`POST /mcp HTTP/1.1\r\nHost: localhost\r\n${Object.entries(principalHeader(alice)).map(([name, value]) => `${name}: ${value}\r\n`).join('')}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n${'12c\r\n'}${'x'.repeat(300)}\r\n12c\r\n${'x'.repeat(300)}\r\n`)
  socket.write(`12c\r\n${'x'.repeat(300)}\r\n`) // the last chunk never comes
  const [head] = await once(socket, 'data')
  t.match(String(head), /^HTTP\/1\.1 413 /)
  socket.destroy()
})

t.test('what a tool declares about itself holds', async (t) => {
  const { clientOf } = await serverWith(t, { env: { RATE_LIMIT_PER_MINUTE: '100', RESULT_LIMIT_BYTES: '1010' }, limits: { perMinute: 2 } })
  const { call } = clientOf(alice)
  t.same([await call('echo'), await call('echo'), await call('echo')].map(({ message }) => outcomeOf(message)), ['ok', 'ok', 'limited'])
  t.equal(outcomeOf((await call('long')).message), 'withheld', 'and so does the setting')
})

t.test('a subscription holds no place among the requests in flight', async (t) => {
  const { app, clientOf } = await serverWith(t, { allowlist: 'roles: { user: { allow: ["*"], limits: { concurrency: 1, queue: 0 } } }' })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const { headers: { host: _host, ...headers }, body } = rpcRequest('subscriptions/listen', { notifications: { toolsListChanged: true } })
  const client = new AbortController()
  const open: Response[] = [] // one that nobody holds is closed by the garbage collector
  const listen = async (): Promise<number> => {
    const response = await fetch(`http://127.0.0.1:${port}/mcp`, { method: 'POST', headers: { ...headers, ...principalHeader(alice) }, body: JSON.stringify(body), signal: client.signal })
    open.push(response)
    return response.status
  }
  for (let stream = 0; stream < 128; stream++) if (await listen() !== 200) t.fail(`stream ${stream}`)
  t.equal(await listen(), 429, 'but streams are counted among their like')
  t.equal(outcomeOf(readMessages((await clientOf(alice).call('echo')).text)[0] as RpcMessage), 'ok')
  t.equal(open.length, 129)
  client.abort()
  let status = 429
  while (status === 429) { // until the server has seen them leave
    const again = new AbortController()
    status = (await fetch(`http://127.0.0.1:${port}/mcp`, { method: 'POST', headers: { ...headers, ...principalHeader(alice) }, body: JSON.stringify(body), signal: again.signal })).status
    again.abort()
  }
  t.equal(status, 200)
})
