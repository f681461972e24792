import { once } from 'node:events'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { gzipSync } from 'node:zlib'
import type { FastifyInstance, FastifyServerOptions } from 'fastify'
import t, { type Test } from 'tap'
import { Type } from 'typebox'
import type { Environment } from '../../config/variables.ts'
import { serverOptions } from '../../src/server-options.ts'
import { bareApp, principalHeader } from '../helpers/bare-app.ts'
import { rpcRequest } from '../helpers/mcp-client.ts'

const limit = 262_144
const principal = principalHeader({ id: 'anonymous', kind: 'anonymous', roles: ['anonymous'] })
const { headers, body } = rpcRequest('tools/call', { name: 'echo', arguments: {} })
const tool = { name: 'echo', description: 'Echoes.', effect: 'read' as const, input: Type.Object({}), output: Type.Object({}), handler: async () => ({}) }

async function served (t: Test, env: Environment = {}, server: FastifyServerOptions = {}): Promise<FastifyInstance> {
  const { app } = await bareApp(t, { policy: { digest: '1', allows: () => true }, tools: [tool], env, server: { ...serverOptions, forceCloseConnections: true, ...server } })
  await app.listen({ host: '127.0.0.1', port: 0 })
  return app
}

const head = (more: Record<string, string>): string => `POST /mcp HTTP/1.1\r\n${Object.entries({ ...headers, ...principal, ...more }).map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`

/** A connection of its own, and the server's end of it. */
async function open (t: Test, app: FastifyInstance): Promise<{ client: Socket, server: Socket, answer: Promise<string> }> {
  const accepted = once(app.server, 'connection')
  const client = connect((app.server.address() as AddressInfo).port, '127.0.0.1')
  t.teardown(() => { client.destroy() })
  const [server] = await accepted as [Socket]
  let text = ''
  client.setEncoding('utf8').on('data', (chunk: string) => { text += chunk }).on('error', () => {})
  return { client, server, answer: once(client, 'close').then(() => text) }
}

async function goesOn (app: FastifyInstance): Promise<boolean> {
  return (await app.inject({ method: 'POST', url: '/mcp', headers: { ...headers, ...principal }, payload: body })).statusCode === 200
}

t.test('an announced gibibyte is answered after its headers, and the connection ends', async (t) => {
  const app = await served(t)
  const { client, server, answer } = await open(t, app)
  client.write(head({ 'content-length': String(2 ** 30) }))

  t.match(await answer, /^HTTP\/1\.1 413 .*connection: close.*"code":-32600,"message":"The body is larger than this server accepts"/s)
  t.ok(server.bytesRead < 1_000)
  t.ok(await goesOn(app))
})

t.test('a flood without a length is cut at the limit, and no more than one turn of the loop is read of it', async (t) => {
  const app = await served(t)
  const { client, server, answer } = await open(t, app)
  const piece = `${(65_536).toString(16)}\r\n${'x'.repeat(65_536)}\r\n`
  const pour = (): void => { while (!client.destroyed && client.write(piece)); }
  client.on('drain', pour).write(head({ 'transfer-encoding': 'chunked' }))
  pour()
  await once(server, 'close')

  // libuv reads a socket up to 32 times in a turn of the loop, and one turn may pass before the connection ends
  t.ok(server.bytesRead <= limit + 34 * 65_536 + 1_000, `${server.bytesRead} bytes were read`)
  client.destroy()
  t.match(await answer, /^$|^HTTP\/1\.1 413 /, 'who still writes may miss the answer')
  t.ok(await goesOn(app))
})

t.test('a body without a length that is too long by a byte is told so', async (t) => {
  const app = await served(t)
  for (const [length, status] of [[limit, 200], [limit + 1, 413]] as const) {
    const { client, answer } = await open(t, app)
    const json = JSON.stringify(body)
    client.write(head({ 'transfer-encoding': 'chunked', connection: 'close' }))
    client.write(`${length.toString(16)}\r\n${json.padEnd(length)}\r\n0\r\n\r\n`)
    t.match(await answer, new RegExp(`^HTTP/1\\.1 ${status} `), String(length))
  }
})

t.test('a long body that is refused for another reason is not read either', async (t) => {
  const app = await served(t)
  for (const more of [{ 'content-length': String(2 ** 30) }, { 'transfer-encoding': 'chunked' }] as Array<Record<string, string>>) {
    const { client, server, answer } = await open(t, app)
    client.write(head({ ...more, host: 'evil.example' }))
    t.match(await answer, /^HTTP\/1\.1 403 .*connection: close/s)
    t.ok(server.bytesRead < 1_000)
  }
})

t.test('a trickle ends with requestTimeout', async (t) => {
  const app = await served(t, {}, { requestTimeout: 300, http: { connectionsCheckingInterval: 50, headersTimeout: 300 } } as FastifyServerOptions)
  const { client, answer } = await open(t, app)
  client.write(head({ 'content-length': '1000' }))
  const drip = setInterval(() => { client.write(' ') }, 20)
  t.teardown(() => { clearInterval(drip) })

  t.match(await answer, /^HTTP\/1\.1 408 /)
  t.ok(await goesOn(app))
})

t.test('a compressed body is refused unread, whatever is in it', async (t) => {
  const app = await served(t)
  const bomb = gzipSync(Buffer.alloc(64 * 2 ** 20, ' '))
  for (const encoding of ['gzip', 'GZIP', 'deflate', 'br', 'zstd', 'identity, gzip', 'x']) {
    const refused = await app.inject({ method: 'POST', url: '/mcp', headers: { ...headers, ...principal, 'content-encoding': encoding }, payload: bomb })
    t.equal(refused.statusCode, 415, encoding)
    t.same(refused.json().error, { code: -32600, message: 'Send the body without Content-Encoding' })
  }
  for (const encoding of ['identity', 'Identity', '']) {
    t.equal((await app.inject({ method: 'POST', url: '/mcp', headers: { ...headers, ...principal, 'content-encoding': encoding }, payload: body })).statusCode, 200, encoding)
  }
})

t.test('BODY_LIMIT_BYTES moves the limit', async (t) => {
  for (const bytes of [1_024, 1_048_576]) {
    const app = await served(t, { BODY_LIMIT_BYTES: String(bytes) })
    const status = async (length: number): Promise<number> => (await app.inject({ method: 'POST', url: '/mcp', headers: { ...headers, ...principal }, payload: JSON.stringify(body).padEnd(length) })).statusCode
    t.equal(await status(bytes), 200)
    t.equal(await status(bytes + 1), 413)
  }
})
