import fastifyCors from '@fastify/cors'
import Fastify, { type FastifyInstance, type FastifyPluginAsync } from 'fastify'
import t from 'tap'
import app from '../../src/app.ts'
import { serverOptions } from '../../src/server-options.ts'
import { buildApp } from '../helpers/build-app.ts'
import { listening, type Headers, type Received } from '../helpers/listening.ts'
import { rpcRequest } from '../helpers/mcp-client.ts'
import { migratedDatabase } from '../helpers/postgres.ts'

const url = await migratedDatabase(t)
const key = 'q7Wm2vX9pL4zR8tB6nC3'
const page = 'https://app.example.com'
const foreignPages = ['https://evil.example', 'http://app.example.com', 'https://app.example.com.evil.example', 'https://app.example.com:8443', 'null']
const security = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff'
}
const corsHeaders = (headers: Received['headers']): string[] => Object.keys(headers).filter((name) => name.startsWith('access-control-'))

/** Makes the server answer what it otherwise answers in bad times only. */
const badTimes: FastifyPluginAsync = async (fastify) => {
  let presses = false
  fastify.pressure.watch({ name: 'test', isPressing: () => presses })
  fastify.addHook('onRequest', (request, _reply, done) => {
    const status = Number(request.headers['x-test-answer'] ?? 0)
    done(status === 0 ? undefined : Object.assign(new Error('made by the test'), { statusCode: status }))
  })
  fastify.decorate('press', (value: boolean) => { presses = value })
}
const press = (app: FastifyInstance, value: boolean): void => { app.getDecorator<(value: boolean) => void>('press')(value) }

type Case = [name: string, status: number, send: (origin: string | undefined) => Promise<Received>]

/** A request for every status that /mcp can answer. */
function everyStatus (app: FastifyInstance, send: Awaited<ReturnType<typeof listening>>): Case[] {
  const call = rpcRequest('tools/call', { name: 'get_statistics', arguments: {} })
  const ping = rpcRequest('ping')
  const asked = (request: { headers: Headers, body: unknown }, more: Headers = {}, verb = 'POST') => async (origin: string | undefined): Promise<Received> =>
    await send({ verb, headers: { ...request.headers, 'x-api-key': key, origin, ...more }, body: verb === 'POST' ? request.body : undefined })
  return [
    ['a result', 200, asked(call)],
    ['a result as JSON', 200, asked(rpcRequest('tools/list'))],
    ['a notification', 202, asked({ headers: { ...call.headers, 'mcp-method': undefined, 'mcp-name': undefined, 'mcp-protocol-version': '2025-11-25' }, body: { jsonrpc: '2.0', method: 'notifications/initialized' } })],
    ['no JSON', 400, asked({ ...call, body: '{' })],
    ['no key', 401, asked(call, { 'x-api-key': undefined })],
    ['another server\'s name', 403, asked(call, { host: 'evil.example' })],
    ['an unknown method', 404, asked(ping)],
    ['GET', 405, asked({ headers: { host: 'localhost', accept: 'text/event-stream' }, body: undefined }, {}, 'GET')],
    ['an unacceptable type', 406, asked(rpcRequest('tools/list', {}, { era: 'legacy' }), { accept: 'text/html' })],
    ['a long body', 413, asked({ ...call, body: JSON.stringify('x'.repeat(262_144)) })],
    ['a form', 415, asked(call, { 'content-type': 'application/x-www-form-urlencoded' })],
    ['a compressed body', 415, asked(call, { 'content-encoding': 'gzip' })],
    ['too many requests', 429, asked(call, { 'x-test-answer': '429' })],
    ['a fault', 500, asked(call, { 'x-test-answer': '500' })],
    ['overload', 503, async (origin) => {
      press(app, true)
      try {
        return await asked(call)(origin)
      } finally {
        press(app, false)
      }
    }]
  ]
}

t.test('every answer keeps itself from being cached, framed, sniffed and embedded, and names no product', async (t) => {
  const app = await buildApp(t, { env: { DATABASE_URL: url, API_KEY: key }, extra: badTimes })
  const send = await listening(app)
  const check = ({ headers }: { headers: Received['headers'] }, name: string): void => {
    t.match(headers, { ...security, 'cache-control': /no-store|no-cache/ }, name)
    for (const absent of ['server', 'x-powered-by', 'strict-transport-security']) t.equal(headers[absent], undefined, absent)
    t.same(corsHeaders(headers), [], 'nobody is allowed to read it')
    t.equal(headers.vary, undefined)
  }

  for (const [name, status, ask] of everyStatus(app, send)) {
    const answer = await ask(undefined)
    t.equal(answer.status, status, name)
    check(answer, name)
    if (!String(answer.headers['content-type']).startsWith('text/event-stream')) t.equal(answer.headers['cache-control'], 'no-store')
  }
  for (const path of ['/livez', '/readyz', '/health', '/nope']) check(await app.inject(path) as never, path)
  const preflight = await app.inject({ method: 'OPTIONS', url: '/mcp', headers: { host: 'localhost', origin: page, 'access-control-request-method': 'POST' } })
  t.equal(preflight.statusCode, 404, 'without ALLOWED_ORIGINS there is no preflight')
  check(preflight as never, 'OPTIONS')

  const bare = Fastify({ frameworkErrors: serverOptions.frameworkErrors as never })
  t.match((await bare.inject('/%zz')).headers, security, 'a URL that can\'t be decoded')
})

t.test('pages of ALLOWED_ORIGINS read every answer, other pages none', async (t) => {
  const app = await buildApp(t, { env: { DATABASE_URL: url, API_KEY: key, ALLOWED_ORIGINS: `https://other.example, ${page}` }, extra: badTimes })
  const send = await listening(app)

  for (const [name, status, ask] of everyStatus(app, send)) {
    const answer = await ask(page)
    t.equal(answer.status, status, name)
    t.equal(answer.headers['access-control-allow-origin'], page, name)
    t.equal(answer.headers['access-control-expose-headers'], 'ratelimit, ratelimit-policy, retry-after, www-authenticate')
    t.same(corsHeaders(answer.headers).length, 2, 'no credentials, nothing else')
    t.equal(answer.headers.vary, 'Origin')
  }

  for (const origin of foreignPages) {
    for (const [name, status, ask] of everyStatus(app, send)) {
      const answer = await ask(origin)
      t.equal(answer.status, status === 503 ? 503 : 403, `${origin} ${name}`)
      t.same(corsHeaders(answer.headers), [])
      t.equal(answer.headers.vary, 'Origin')
    }
  }

  for (const [name, status, ask] of everyStatus(app, send)) {
    const answer = await ask(undefined)
    t.equal(answer.status, status, name)
    t.same(corsHeaders(answer.headers), [], 'no browser asks')
    t.equal(answer.headers.vary, 'Origin', 'a cache must not give it to a page')
  }
})

t.test('a preflight is answered without credentials, for the headers of MCP', async (t) => {
  const app = await buildApp(t, { env: { DATABASE_URL: url, API_KEY: key, ALLOWED_ORIGINS: page }, extra: badTimes })
  const send = await listening(app)
  const preflight = async (more: Headers = {}): Promise<Received> => await send({ verb: 'OPTIONS', headers: { host: 'localhost', origin: page, 'access-control-request-method': 'POST', ...more } })

  for (const isPressed of [false, true]) {
    press(app, isPressed)
    const { status, headers, text } = await preflight({ 'access-control-request-headers': 'content-type,mcp-param-region,Mcp-Param-Two,x-forwarded-for,mcp-param-' })
    t.equal(status, 204, 'under overload too, so that the page can read why it is refused')
    t.equal(text, '')
    t.match(headers, { 'access-control-allow-origin': page, 'access-control-allow-methods': 'POST', 'access-control-max-age': '600', vary: 'Origin' })
    t.equal(headers['access-control-allow-credentials'], undefined)
    t.same(String(headers['access-control-allow-headers']).split(', '), ['accept', 'authorization', 'baggage', 'content-type', 'last-event-id', 'mcp-method', 'mcp-name', 'mcp-protocol-version', 'mcp-session-id', 'traceparent', 'tracestate', 'x-api-key', 'mcp-param-region', 'mcp-param-two'])
  }
  press(app, false)

  for (const origin of [...foreignPages, 'HTTPS://app.example.com/', `${page}, ${page}`]) {
    const { status, headers } = await preflight({ origin })
    t.equal(status, 403, origin)
    t.same(corsHeaders(headers), [])
  }
  t.equal((await preflight({ origin: [page, page] })).status, 403, 'two of them')
  const { status, headers } = await preflight({ origin: undefined })
  t.equal(status, 401, 'what is no preflight is a request like another')
  t.same(corsHeaders(headers), [])
  t.equal((await preflight({ origin: undefined, 'x-api-key': key })).status, 405)
  for (const path of ['/livez', '/nope', '/mcp/', '/mcp/x']) {
    const elsewhere = await app.inject({ method: 'OPTIONS', url: path, headers: { host: 'localhost', origin: page, 'access-control-request-method': 'POST' } })
    t.equal(elsewhere.statusCode, 404, path)
    t.same(corsHeaders(elsewhere.headers as never), [], path)
  }
})

t.test('embedded, the host\'s answers are the host\'s, and its own @fastify/cors goes on', async (t) => {
  const host = Fastify({ pluginTimeout: 60_000 })
  t.teardown(async () => { await host.close() })
  await host.register(fastifyCors, { origin: 'https://host.example' })
  host.get('/own', () => ({ own: true }))
  await host.register(async (inner) => { // buildApp has made the app one that shares
    await inner.register(app, { env: { DATABASE_URL: url, LOG_LEVEL: 'silent', DB_POOL_MIN: '1', DB_POOL_MAX: '2', SHED_EVENT_LOOP_MS: '0', ALLOWED_ORIGINS: page } })
  })
  await host.ready()
  const preflight = async (path: string, origin: string): Promise<Record<string, unknown>> => (await host.inject({ method: 'OPTIONS', url: path, headers: { host: 'localhost', origin, 'access-control-request-method': 'POST' } })).headers

  const { headers } = await host.inject('/own')
  for (const name of Object.keys(security)) t.equal(headers[name], undefined, name)
  t.equal((await preflight('/own', page))['access-control-allow-origin'], 'https://host.example')
  t.match((await host.inject('/livez')).headers, security)
})
