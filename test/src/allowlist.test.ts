import t from 'tap'
import { blockEverything, parseAllowlist } from '../../src/allowlist.ts'
import type { Principal } from '../../src/mcp/tool.ts'

const anybody: Principal = { id: 'anonymous', kind: 'anonymous', roles: ['anonymous'] }
const somebody: Principal = { id: 'default', kind: 'api-key', roles: ['default'] }

t.test('the tools that are listed are allowed, for every principal, and get_pool_status goes without saying', async (t) => {
  const allowlist = parseAllowlist('allowed_tools:\n  - search_records\n  - get_statistics\n', 'x.yaml')

  t.same([...allowlist.tools], ['search_records', 'get_statistics', 'get_pool_status'])
  for (const principal of [anybody, somebody]) {
    for (const name of ['search_records', 'get_statistics', 'get_pool_status']) t.equal(allowlist.allows(principal, name), true, name)
    for (const name of ['get_record_detail', '']) t.equal(allowlist.allows(principal, name), false, name)
  }
})

t.test('names are exact: no pattern, no other case, no part of an object', async (t) => {
  const { allows } = parseAllowlist('allowed_tools: [search_records, "get_*", "*"]', 'x.yaml')
  for (const name of ['Search_Records', 'search_records ', 'search_record', 'search_records\0', 'get_statistics', 'constructor', '__proto__', 'toString', 'has']) t.equal(allows(somebody, name), false, JSON.stringify(name))
})

t.test('a policy may be written in any way that YAML has', async (t) => {
  const texts = [
    'allowed_tools: [search_records]',
    '{"allowed_tools": ["search_records"]}',
    '# reviewed\nallowed_tools: # by security\n  - "search_records"\n',
    'allowed_tools:\r\n- search_records\r\n',
    '\uFEFFallowed_tools: [search_records]',
    '---\nallowed_tools: [search_records]\n...\n',
    'allowed_tools: [&name search_records, *name]'
  ]
  for (const text of texts) t.same([...parseAllowlist(text, 'x.yaml').tools], ['search_records', 'get_pool_status'], text)
})

t.test('an empty list allows nothing but get_pool_status', async (t) => {
  t.same([...parseAllowlist('allowed_tools: []', 'x.yaml').tools], ['get_pool_status'])
})

const noPolicies: Array<[what: string, text: string, reason: RegExp]> = [
  ['an empty file', '', /must be a mapping/],
  ['a file of white space', ' \n\n', /must be a mapping/],
  ['a file of comments', '# allowed_tools: [search_records]\n', /must be a mapping/],
  ['a list', '- search_records\n', /must be a mapping/],
  ['a word', 'search_records', /must be a mapping/],
  ['a number', '7', /must be a mapping/],
  ['null', 'null', /must be a mapping/],
  ['true', 'true', /must be a mapping/],
  ['an empty mapping', '{}', /must be a list of tool names/],
  ['no list at all', 'allowed_tools:', /must be a list of tool names/],
  ['a word instead of a list', 'allowed_tools: search_records', /must be a list of tool names/],
  ['names separated by commas', 'allowed_tools: search_records, get_statistics', /must be a list of tool names/],
  ['a mapping instead of a list', 'allowed_tools: {search_records: true}', /must be a list of tool names/],
  ['a set', 'allowed_tools: !!set {search_records}', /must be a list of tool names/],
  ['a list that holds a number', 'allowed_tools: [search_records, 7]', /must be a list of tool names/],
  ['a list that holds null', 'allowed_tools:\n  - search_records\n  -\n', /must be a list of tool names/],
  ['a list that holds a boolean', 'allowed_tools: [true]', /must be a list of tool names/],
  ['a list in a list', 'allowed_tools: [[search_records]]', /must be a list of tool names/],
  ['an entry with a value', 'allowed_tools:\n  - search_records: yes\n', /must be a list of tool names/],
  ['another key', 'tools: [search_records]', /unknown key "tools"; the only key is allowed_tools/],
  ['another key beside the right one', 'allowed_tools: []\nroles: {}', /unknown key "roles"/],
  ['the key in another case', 'Allowed_Tools: []', /unknown key "Allowed_Tools"/],
  ['a key named like a part of an object', '__proto__: {allowed_tools: [search_records]}', /unknown key "__proto__"/],
  ['a merge', '<<: {allowed_tools: [search_records]}', /unknown key "<<"/],
  ['a key twice', 'allowed_tools: [a]\nallowed_tools: [b]', /keys must be unique/],
  ['a key twice, once in quotes', 'allowed_tools: [a]\n"allowed_tools": [b]', /keys must be unique/],
  ['two documents', 'allowed_tools: [a]\n---\nallowed_tools: [b]', /multiple documents/],
  ['an open bracket', 'allowed_tools: [a', /\]/],
  ['an open quote', 'allowed_tools: ["a]', /quote/],
  ['tabs', 'allowed_tools:\n\t- a', /Tabs/],
  ['a bare star', 'allowed_tools: [*]', /[Aa]lias/],
  ['a pattern that YAML takes for an alias', 'allowed_tools:\n  - *_records\n', /[Aa]lias/],
  ['an alias of nothing', 'allowed_tools: *everything', /[Aa]lias/],
  ['a bomb of aliases', `a0: &a0 [x, x]\n${Array.from({ length: 9 }, (_, index) => `a${index + 1}: &a${index + 1} [${`*a${index}, `.repeat(9)}]`).join('\n')}`, /alias/]
]

for (const [what, text, reason] of noPolicies) {
  t.test(`${what} is no policy, and the error says where and why in one line`, async (t) => {
    t.throws(() => parseAllowlist(text, 'config/x.yaml'), { code: 'MCP_ALLOWLIST_INVALID', message: reason })
    t.throws(() => parseAllowlist(text, 'config/x.yaml'), { message: /^allowlist config\/x\.yaml: [^\n]+$/ })
  })
}

t.test('the digest follows the content of the file and nothing else', async (t) => {
  const one = parseAllowlist('allowed_tools: [a]', 'x.yaml')

  t.equal(parseAllowlist('allowed_tools: [a]', 'y.yaml').digest, one.digest)
  for (const text of ['allowed_tools: [b]', 'allowed_tools: []', 'allowed_tools: [a, b]']) t.ok(parseAllowlist(text, 'x.yaml').digest !== one.digest, text)
  t.ok(one.digest !== blockEverything.digest)
})

t.test('without a valid policy nothing is allowed, not even get_pool_status', async (t) => {
  t.equal(blockEverything.tools.size, 0)
  for (const name of ['get_pool_status', 'search_records', '']) t.equal(blockEverything.allows(somebody, name), false)
})
