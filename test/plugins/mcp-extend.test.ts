import { once } from 'node:events'
import { request } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import type { Extension } from '../../src/mcp/extensions.ts'
import { buildApp, type BuildOptions } from '../helpers/build-app.ts'
import { mcpClient, rpcRequest, type Era } from '../helpers/mcp-client.ts'

const extendedBy = (...extensions: Extension[]) => async (fastify: { mcp: { extend: (extension: Extension) => void } }) => {
  for (const extension of extensions) fastify.mcp.extend(extension)
}

const hello: Extension = (server, principal) => {
  server.registerPrompt('hello', { description: 'Greets.' }, () => ({ messages: [{ role: 'user', content: { type: 'text', text: `Hello, ${principal.id}` } }] }))
}
const broken: Extension = (server) => {
  server.registerPrompt('broken', { description: 'Fails.' }, () => { throw new Error('connect ECONNREFUSED 10.0.0.7:5432') })
  server.registerResource('broken', 'test://broken', {}, () => { throw new TypeError('secret internals') })
}

for (const era of ['modern', 'legacy'] as Era[]) {
  t.test(`an extension adds prompts and resources (${era})`, async (t) => {
    const client = mcpClient(await buildApp(t, { extra: extendedBy(hello, broken) }))

    t.test('which know who asks', async (t) => {
      t.same((await client.request('prompts/list', {}, { era })).message.result.prompts.map(({ name }: { name: string }) => name), ['hello', 'broken'])
      t.equal((await client.request('prompts/get', { name: 'hello' }, { era })).message.result.messages[0].content.text, 'Hello, anonymous')
    })

    t.test('whose failures stay in the log', async (t) => {
      const answers = [await client.request('prompts/get', { name: 'broken' }, { era }), await client.request('resources/read', { uri: 'test://broken' }, { era, headers: { 'mcp-name': 'test://broken' } })]
      for (const { message } of answers) t.same(message.error, { code: -32603, message: 'Internal error' })
    })

    t.test('and takes no tool away', async (t) => {
      t.equal((await client.call('get_statistics', {}, { era })).message.result.structuredContent.total, 0)
    })
  })
}

t.test('an extension can\'t bring a tool past the pipeline', async (t) => {
  const registers: Extension = (server) => { server.registerTool('own', { description: 'Bypasses.' }, () => ({ content: [] })) }
  await t.rejects(buildApp(t, { extra: extendedBy(registers) }), { code: 'MCP_TOOL_OUTSIDE_REGISTRY', message: /"own".*fastify\.tools\.add/ })

  const overrides: Extension = ({ server }) => {
    server.setRequestHandler('tools/call', () => ({ content: [{ type: 'text', text: 'bypassed' }] }))
    server.setRequestHandler('tools/list', () => ({ tools: [] }))
  }
  const app = await buildApp(t, { extra: extendedBy(overrides) })
  const client = mcpClient(app)
  for (const era of ['modern', 'legacy'] as Era[]) {
    t.equal((await client.call('nope', {}, { era })).message.error?.code, -32602)
    t.equal((await client.list({ era })).length, app.tools.list().length)
  }
})

t.test('what fails for one principal, or in the fallback for unknown methods, tells the client nothing and the log all', async (t) => {
  const picky: Extension = ({ server }, { id }) => {
    if (id !== 'nobody' && picks) throw new Error('no tenant of 10.0.0.7')
    server.fallbackRequestHandler = async () => { throw new Error('secret internals 10.0.0.7') }
  }
  let picks = false
  const lines: Array<Record<string, unknown>> = []
  const client = mcpClient(await buildApp(t, { extra: extendedBy(picky), onLog: (line) => { lines.push(line) } }))
  for (const era of ['modern', 'legacy'] as Era[]) {
    picks = false
    t.notMatch((await client.request('acme/unknown', {}, { era })).text, /internals/)
    picks = true
    const { status, text } = await client.call('get_statistics', {}, { era })
    t.equal(status, 500)
    t.notMatch(text, /tenant/)
  }
  t.equal(lines.filter(({ level, msg }) => level === 50 && msg === 'a handler of an extension failed').length, 4)
})

t.test('an extension that returns a promise stops the boot', async (t) => {
  const late: Extension = async (server) => {
    await Promise.resolve()
    hello(server, {} as never, 'modern')
  }
  await t.rejects(buildApp(t, { extra: extendedBy(late) }), { code: 'MCP_EXTENSION_ASYNC' })
})

t.test('a faulty extension stops the boot, a late one is refused', async (t) => {
  await t.rejects(buildApp(t, { extra: extendedBy(() => { throw new Error('no such file') }) }), { message: 'no such file' })
  const app = await buildApp(t)
  t.throws(() => { app.mcp.extend(hello) }, { code: 'MCP_EXTENSION_LATE' })
})

for (const [what, extra] of Object.entries({ 'tools alone': undefined, 'tools and prompts': extendedBy(hello) })) {
  t.test(`a subscriber hears of changes of ${what} until the server closes`, async (t) => { await hearChanges(t, extra) })
}

async function hearChanges (t: Test, extra: BuildOptions['extra']): Promise<void> {
  const app = await buildApp(t, { extra })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { headers, body } = rpcRequest('subscriptions/listen', { notifications: { toolsListChanged: true, promptsListChanged: true } })
  const asking = request({ port: (app.server.address() as AddressInfo).port, path: '/mcp', method: 'POST', headers }).end(JSON.stringify(body))
  const [stream] = await once(asking, 'response')
  stream.setEncoding('utf8')
  let text = ''
  stream.on('data', (chunk: string) => { text += chunk })
  const heard = async (method: string): Promise<void> => { while (!text.includes(method)) await once(stream, 'data') }
  const ended = once(stream, 'end')

  await heard('notifications/subscriptions/acknowledged')
  app.mcp.notify.promptsChanged()
  app.mcp.notify.toolsChanged()
  await heard('notifications/tools/list_changed')
  await app.close()
  await ended

  t.equal(text.includes('prompts/list_changed'), extra !== undefined, 'where there are prompts')
  t.match(text, /"resultType":"complete"/)
}
