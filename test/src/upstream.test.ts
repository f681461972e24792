import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { Type } from 'typebox'
import { createUpstream, parseEgressHost } from '../../src/upstream.ts'
import { allowing } from '../helpers/allowlist.ts'
import { buildApp } from '../helpers/build-app.ts'
import { mcpClient } from '../helpers/mcp-client.ts'

interface Service { url: string, host: string, asked: IncomingMessage[] }

async function service (t: Test, answer: RequestListener): Promise<Service> {
  const asked: IncomingMessage[] = []
  const server = createServer((request, response) => {
    asked.push(request)
    answer(request, response)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return { url: `http://${host}`, host, asked }
}

function upstreamTo (hosts: string, maxBytes = 1000, signal = new AbortController().signal) {
  return createUpstream({ hosts, maxBytes })(signal)
}

t.test('reaches the hosts of the list alone', async (t) => {
  const { url, host } = await service(t, (_request, response) => { response.end('hello') })
  const port = new URL(url).port

  for (const hosts of [host, '127.0.0.1', `other.example, 127.0.0.1:${port}`]) {
    const response = await upstreamTo(hosts).fetch(url)
    t.same([response.status, await response.text(), response.url], [200, 'hello', `${url}/`], hosts)
  }
  const refused = [[url, ''], [url, '127.0.0.1:1'], [url, 'localhost'], [url, '*.0.0.1:1'], [`http://localhost:${port}`, host], ['file:///etc/hostname', host], ['data:,x', '127.0.0.1'], [`http://${host}@evil.example/`, host], ['http://evil-example.com', '*.example.com,example.com'], ['http://example.com', '*.example.com'], ['http://a.example.com.evil.org', '*.example.com'], ['http://example.com.', 'example.com']] as const
  for (const [asked, hosts] of refused) await t.rejects(upstreamTo(hosts).fetch(asked), { code: 'MCP_EGRESS_REFUSED', message: /EGRESS_HOSTS/ }, `${asked} with ${hosts}`)
  for (const form of [`http://2130706433:${port}`, `http://0x7f.1:${port}`, `http://127.1:${port}`]) t.equal((await upstreamTo(host).fetch(form)).status, 200, `${form} is the same address`)
})

t.test('knows a name, a port and a wildcard from anything else', async (t) => {
  for (const good of ['api.example.com', 'API.example.com:8443', '*.example.com', '*.example.com:1', '[::1]:9000', 'localhost']) t.ok(parseEgressHost(good), good)
  for (const bad of ['*', '*.*.com', 'https://x', 'x/y', 'a b', 'x:0', 'x:99999', 'a.*.com', '']) t.equal(parseEgressHost(bad), undefined, bad)
})

t.test('follows redirects of GET within the list, and takes credentials to no other origin', async (t) => {
  const other = await service(t, (_request, response) => { response.end('there') })
  const from = await service(t, ({ url }, response) => { response.writeHead(302, { location: url === '/loop' ? '/loop' : url === '/out' ? 'http://evil.example/' : url === '/same' ? '/end' : `${other.url}/x` }).end() })
  const { fetch } = upstreamTo('127.0.0.1')

  const response = await fetch(from.url, { headers: { authorization: 'Bearer own', cookie: 'a=b', 'x-api-key': '1', accept: 'text/x' } })
  t.same([await response.text(), response.url], ['there', `${other.url}/x`])
  t.match(other.asked[0]?.headers, { authorization: undefined, cookie: undefined, 'x-api-key': undefined, accept: 'text/x' })
  await t.rejects(fetch(`${from.url}/out`), { code: 'MCP_EGRESS_REFUSED' })
  await t.rejects(fetch(`${from.url}/loop`), { code: 'upstream', message: /redirects too often/ })
  t.equal((await fetch(from.url, { redirect: 'manual' })).status, 302)
  await t.rejects(fetch(from.url, { redirect: 'error' }))
  t.equal((await fetch(from.url, { method: 'POST', body: 'x' })).status, 302, 'what has an effect is not sent again')
  t.equal((await fetch(new Request(`${from.url}/same`, { headers: { 'x-own': '2' } }))).status, 200)
  t.equal(from.asked.at(-1)?.headers['x-own'], '2', 'the same origin gets all of them')
})

t.test('takes no more than it may, compressed or not', async (t) => {
  const { url } = await service(t, ({ url }, response) => {
    if (url === '/gzip') return response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('x'.repeat(1_000_000)))
    response.end('x'.repeat(Number(url?.slice(1))))
  })
  const { fetch } = upstreamTo('127.0.0.1', 1000)

  t.equal((await (await fetch(`${url}/1000`)).text()).length, 1000)
  for (const path of ['/1001', '/5000000', '/gzip']) {
    await t.rejects((await fetch(url + path)).text(), { name: 'ToolError', message: /more than 1000 bytes/ }, path)
  }
})

t.test('lasts no longer than the call, and a failure nobody awaits ends nothing', async (t) => {
  const hanging = await service(t, () => {})
  const call = new AbortController()
  const { fetch } = upstreamTo('127.0.0.1', 1000, call.signal)
  const asking = fetch(hanging.url)
  asking.catch(() => {})
  while (hanging.asked.length === 0) await new Promise(setImmediate)
  const hungUp = once(hanging.asked[0]?.socket as never, 'close')
  call.abort(new Error('deadline'))
  await t.rejects(asking, { message: 'deadline' })
  await hungUp

  const left = upstreamTo('127.0.0.1')
  left.fetch(hanging.url)
  left.fetch('http://nowhere.example')
  while (hanging.asked.length === 1) await new Promise(setImmediate)
  const closed = once(hanging.asked[1]?.socket as never, 'close')
  left.end()
  await closed

  const own = AbortSignal.abort(new Error('own'))
  await t.rejects(upstreamTo('127.0.0.1').fetch(hanging.url, { signal: own }), { message: 'own' })
})

t.test('is over with its call, and takes odd answers and mistakes for what they are', async (t) => {
  const { url, asked } = await service(t, (_request, response) => { response.writeHead(999).end('odd') })
  const over = upstreamTo('127.0.0.1')
  over.end()
  await t.rejects(over.fetch(url), { code: 'MCP_CALL_ENDED' })
  t.equal(asked.length, 0)

  const { fetch } = upstreamTo('127.0.0.1')
  await t.rejects(fetch(url), { name: 'ToolError', message: /status 999/ })
  for (const init of [{ body: 'x' }, { method: 'TRACE' }]) await t.rejects(fetch(url, init), { name: 'TypeError' }, 'a mistake of the tool is no outage')
})

t.test('a service that is not there is an upstream error without its address', async (t) => {
  const { url } = await service(t, (_request, response) => { response.destroy() })
  await t.rejects(upstreamTo('127.0.0.1').fetch(url), { name: 'ToolError', code: 'upstream', message: 'The service that this tool asks can\'t be reached.' })
})

t.test('a tool asks a service: within its host list, with the trace of the caller, without its credentials', async (t) => {
  const weather = await service(t, (_request, response) => { response.setHeader('content-type', 'application/json').end('{"degrees":21}') })
  const key = 'k'.repeat(10) + 'jdhw8e7h3m'
  const app = await buildApp(t, {
    env: { ALLOWLIST_PATH: allowing(t, 'test_forecast'), EGRESS_HOSTS: weather.host, API_KEY: key },
    extra: async (fastify) => {
      fastify.tools.add({
        name: 'test_forecast',
        description: 'x',
        effect: 'read',
        input: Type.Object({ url: Type.String() }),
        output: Type.Object({ degrees: Type.Integer() }),
        handler: async ({ url }, { fetch }) => await (await fetch(url)).json() as { degrees: number }
      })
    }
  })
  const client = mcpClient(app, { authorization: `Bearer ${key}`, cookie: 'session=1' })
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
  const ask = async (url: string, _meta: object): Promise<any> => (await client.request('tools/call', { name: 'test_forecast', arguments: { url }, _meta })).message.result

  t.same((await ask(weather.url, { traceparent, tracestate: 'a=b', baggage: 'user=1' })).structuredContent, { degrees: 21 })
  const { traceparent: sent, tracestate, baggage, authorization, cookie, 'x-api-key': apiKey } = weather.asked[0]?.headers ?? {}
  t.same({ sent, tracestate, baggage, authorization, cookie, apiKey }, { sent: traceparent, tracestate: 'a=b', baggage: undefined, authorization: undefined, cookie: undefined, apiKey: undefined })
  t.equal(JSON.stringify(weather.asked[0]?.headers).includes(key), false)

  for (const forged of ['x', '00-zz', `${traceparent}\r\nx-evil: 1`, 7]) {
    await ask(weather.url, { traceparent: forged })
    t.equal(weather.asked.at(-1)?.headers.traceparent, undefined)
  }
  const refused = await ask('http://169.254.169.254/latest/meta-data', {})
  t.match(refused, { isError: true, content: [{ text: /^The tool failed\. Quote call/ }] })
})
