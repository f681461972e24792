import { tmpdir } from 'node:os'
import t, { type Test } from 'tap'
import { Type } from 'typebox'
import { parseAllowlist } from '../../src/allowlist.ts'
import { allowlistFile } from '../helpers/allowlist.ts'
import { buildApp } from '../helpers/build-app.ts'
import { mcpClient, rpcRequest, type Era } from '../helpers/mcp-client.ts'
import { migratedDatabase } from '../helpers/postgres.ts'

const eras: Era[] = ['modern', 'legacy']
const url = await migratedDatabase(t)

async function clientWith (t: Test, path: string): Promise<ReturnType<typeof mcpClient>> {
  return mcpClient(await buildApp(t, { env: { DATABASE_URL: url, ALLOWLIST_PATH: path } }))
}

t.test('load_allowlist_returns_set', async (t) => {
  const { allows } = parseAllowlist('allowed_tools:\n  - search_records\n  - get_statistics\n', 'x.yaml')
  const anybody = { id: 'anonymous', kind: 'anonymous', roles: ['anonymous'] } as const
  const names = ['get_pool_status', 'get_record_detail', 'get_statistics', 'search_records']
  t.same(names.filter((name) => allows(anybody, name)), ['get_pool_status', 'get_statistics', 'search_records'], 'and get_pool_status, which goes without saying')
})

t.test('what parses but is no policy is refused', async (t) => {
  for (const [text, reason] of [
    ['', /must be a mapping/], ['# nothing\n', /must be a mapping/], ['- search_records', /must be a mapping/], ['search_records', /must be a mapping/], ['5', /must be a mapping/],
    ['allowed_tools:', /must be a list/], ['allowed_tools: search_records', /must be a list/], ['allowed_tools: {search_records: true}', /must be a list/], ['allowed_tools: [1]', /must be a list/], ['allowed_tools: [[a]]', /must be a list/],
    ['allowed_tools: [a]\nallowed_tools: [b]', /unique/], ['allowed_tool: [a]', /unknown key "allowed_tool"/], ['allowed_tools: [a', /.+/], ['allowed_tools: [a]\nroles: {}', /both allowed_tools and roles/], ['a: b: c', /.+/]
  ] as const) t.throws(() => parseAllowlist(text, 'x.yaml'), { code: 'MCP_ALLOWLIST_INVALID', message: reason }, text)
})

t.test('load_allowlist_missing_file_returns_empty: everything is blocked, and so it is with a malformed file', async (t) => {
  for (const path of ['/no/such/allowlist.yaml', allowlistFile(t, '- search_records'), allowlistFile(t, 'allowed_tools: [search_records\n'), tmpdir()]) {
    const client = await clientWith(t, path)
    for (const era of eras) {
      t.same(await client.list({ era }), [], path)
      for (const name of ['search_records', 'get_pool_status', 'nope']) t.equal((await client.call(name, { query: '' }, { era })).message.error?.code, -32602)
    }
  }
})

t.test('require_allowlist_permits_listed_tool and blocks the others, which answer like unknown ones', async (t) => {
  const client = await clientWith(t, allowlistFile(t, 'allowed_tools:\n  - get_statistics\n'))
  for (const era of eras) {
    t.same(await client.list({ era }), ['get_pool_status', 'get_statistics'])
    t.equal((await client.call('get_statistics', {}, { era })).message.result.structuredContent.total, 0)

    const blocked = await client.call('search_records', { query: 'x' }, { era })
    const unknown = await client.call('search_recordz', { query: 'x' }, { era })
    t.match(blocked.message.error?.message, /search_records/, 'require_allowlist_blocks_unlisted_tool names it')
    t.equal(blocked.text.replaceAll('search_records', 'NAME'), unknown.text.replaceAll('search_recordz', 'NAME'), 'byte-equal but for the name asked for')
    t.equal(blocked.status, unknown.status)
    const { 'content-length': a, date: b, ...blockedHeaders } = blocked.headers
    const { 'content-length': c, date: d, ...unknownHeaders } = unknown.headers
    t.same(blockedHeaders, unknownHeaders)
  }
})

t.test('no shape of request gets round it', async (t) => {
  const client = await clientWith(t, allowlistFile(t, 'allowed_tools:\n  - get_statistics\n'))
  const { 'mcp-protocol-version': _version, ...legacy } = rpcRequest('tools/call', {}, { era: 'legacy' }).headers
  const call = (id: unknown, name: unknown): object => ({ jsonrpc: '2.0', id, method: 'tools/call', params: { name, arguments: { query: '' } } })

  const { messages } = await client.post([call(1, 'get_statistics'), call(2, 'search_records'), call(2, 'search_records'), call('2', 'search_records')], legacy)
  t.equal(messages.some(({ result }) => result?.structuredContent?.results !== undefined), false)
  const lies: Array<Record<string, string>> = [{ 'mcp-name': 'get_statistics' }, { 'mcp-method': 'tools/list' }, { 'mcp-name': 'get_statistics', 'mcp-method': 'tools/list' }]
  for (const headers of lies) t.equal((await client.post(call(1, 'search_records'), { ...legacy, ...headers })).message.error?.code, -32602, JSON.stringify(headers))
  for (const name of ['SEARCH_RECORDS', 'search_records ', ' search_records', 'search_records\0', 'search%5Frecords', 'tools/search_records', ['search_records']]) {
    t.ok((await client.post(call(1, name), legacy)).message.error !== undefined, JSON.stringify(name))
  }
  const twice = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_statistics","name":"search_records","arguments":{"query":""}}}'
  t.equal((await client.post(twice, legacy)).message.error?.code, -32602, 'the parser\'s one reading of a key that stands twice is what is decided')
  for (const path of ['/mcp/', '/MCP', '//mcp', '/mcp%2f', '/%6dcp']) {
    const app = await buildApp(t, { env: { DATABASE_URL: url, ALLOWLIST_PATH: '/none' } })
    const { payload } = await app.inject({ method: 'POST', url: path, headers: legacy, payload: call(1, 'search_records') })
    t.notMatch(payload, /structuredContent/, path)
  }
})

t.test('a name that no tool has stops the boot', async (t) => {
  const path = allowlistFile(t, 'allowed_tools: [search_records, serch_records, SEARCH_RECORDS, constructor]')
  await t.rejects(clientWith(t, path), { code: 'MCP_ALLOWLIST_UNMATCHED', message: /names serch_records, SEARCH_RECORDS, constructor, which no tool is called.*tools: .*get_pool_status, .*search_records/ })
})

t.test('a tool from a plugin is governed unasked', async (t) => {
  const app = await buildApp(t, { env: { DATABASE_URL: url }, extra: async (fastify) => { fastify.tools.add({ name: 'test_echo', description: 'Echoes.', effect: 'read', input: Type.Object({}), output: Type.Object({}), handler: async () => ({}) }) } })
  const client = mcpClient(app)
  t.equal((await client.list()).includes('test_echo'), false)
  t.equal((await client.call('test_echo')).message.error?.code, -32602)
  t.throws(() => { app.tools.add({ name: 'late', description: 'x', effect: 'read', input: Type.Object({}), output: Type.Object({}), handler: async () => ({}) }) }, { code: 'MCP_TOOLS_SEALED' })
})
