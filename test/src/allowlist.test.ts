import fc from 'fast-check'
import t from 'tap'
import { blockEverything, matches, parseAllowlist } from '../../src/allowlist.ts'
import type { Principal } from '../../src/mcp/tool.ts'

const anybody: Principal = { id: 'anonymous', kind: 'anonymous', roles: ['anonymous'] }
const names = ['get_pool_status', 'get_record_detail', 'get_statistics', 'search_records']
const allowedOf = (text: string, principal = anybody): string[] => names.filter((name) => parseAllowlist(text, 'x.yaml').allows(principal, name))
const somebody: Principal = { id: 'default', kind: 'api-key', roles: ['default'] }

t.test('the tools that are listed are allowed, for every principal, and get_pool_status goes without saying', async (t) => {
  const allowlist = parseAllowlist('allowed_tools:\n  - search_records\n  - get_statistics\n', 'x.yaml')

  t.same(allowlist.unmatched([]), ['search_records', 'get_statistics'])
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
  for (const text of texts) t.same(allowedOf(text), ['get_pool_status', 'search_records'], text)
})

t.test('an empty list allows nothing but get_pool_status', async (t) => {
  t.same(allowedOf('allowed_tools: []'), ['get_pool_status'])
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
  ['another key', 'tools: [search_records]', /unknown key "tools"; the keys are allowed_tools or roles/],
  ['another key beside the right one', 'allowed_tools: []\nrules: {}', /unknown key "rules"/],
  ['both formats', 'allowed_tools: []\nroles: {}', /both allowed_tools and roles/],
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
  t.same(blockEverything.unmatched(['search_records']), [])
  for (const name of ['get_pool_status', 'search_records', '']) t.equal(blockEverything.allows(somebody, name), false)
})

const withRoles = `roles:
  reader:
    allow: [search_records, get_*]
    deny: [get_statistics]
  analyst: { allow: [get_statistics] }
  admin: { allow: ["*"] }
  nobody: { allow: [] }
`
const having = (...roles: string[]): Principal => ({ id: 'x', kind: 'api-key', roles })

t.test('a principal may call what one of its roles allows and that role does not deny', async (t) => {
  t.same(allowedOf(withRoles, having('reader')), ['get_pool_status', 'get_record_detail', 'search_records'])
  t.same(allowedOf(withRoles, having('analyst')), ['get_statistics'], 'get_pool_status must be named')
  t.same(allowedOf(withRoles, having('analyst', 'reader')), names, 'a role takes nothing from another')
  t.same(allowedOf(withRoles, having('admin')), names)
  for (const roles of [[], ['nobody'], ['Reader'], ['reader '], ['constructor'], ['__proto__'], ['toString'], ['*']]) t.same(allowedOf(withRoles, having(...roles)), [], roles.join())
  t.same(allowedOf('roles: {}', having('reader')), [])
})

t.test('a policy says which of its lines decides', async (t) => {
  const { explain } = parseAllowlist(withRoles, 'x.yaml')
  t.same(explain('reader', 'get_record_detail'), { allowed: true, because: 'roles.reader.allow has get_*' })
  t.same(explain('reader', 'get_statistics'), { allowed: false, because: 'roles.reader.deny has get_statistics' })
  t.same(explain('analyst', 'search_records'), { allowed: false, because: 'roles.analyst.allow has nothing that matches search_records' })
  t.same(explain('guest', 'search_records'), { allowed: false, because: 'there is no role guest' })
  t.same(parseAllowlist('allowed_tools: [a]', 'x').explain('any', 'a'), { allowed: true, because: 'allowed_tools names a, for every role' })
  t.same(parseAllowlist('allowed_tools: [a]', 'x').explain('any', 'b'), { allowed: false, because: 'allowed_tools does not name b' })
  t.match(parseAllowlist('allowed_tools: [a]', 'x').explain('any', 'get_pool_status'), { allowed: true })
})

t.test('names and patterns that cover no tool are named, of both kinds', async (t) => {
  t.same(parseAllowlist(withRoles, 'x').unmatched(['search_records', 'get_statistics']), [])
  t.same(parseAllowlist('roles: { a: { allow: [serch_records, "set_*"], deny: [delete_all] }, b: { allow: [serch_records] } }', 'x').unmatched(names), ['serch_records', 'set_*', 'delete_all'])
  t.same(parseAllowlist('allowed_tools: [search_records, "get_*"]', 'x').unmatched(names), ['get_*'], 'the flat format has no patterns')
})

t.test('limits are those of everybody and of the roles that allow the tool', async (t) => {
  const policy = parseAllowlist('limits: { perMinute: 9 }\nroles: { a: { allow: [search_records], limits: { perMinute: 1 } }, b: { allow: ["*"], deny: [search_records], limits: { perMinute: 2 } }, c: { allow: ["*"] } }', 'x')
  const rules = (roles: string[], tool?: string) => policy.limits?.({ id: 'x', kind: 'api-key', roles }, tool)
  t.same(rules(['a', 'b', 'c', 'nobody'], 'search_records'), { everybody: { perMinute: 9 }, rules: [{ perMinute: 1 }] })
  t.same(rules(['a', 'b'], 'get_statistics'), { everybody: { perMinute: 9 }, rules: [{ perMinute: 2 }] })
  t.same(rules(['a', 'b', 'c']), { everybody: { perMinute: 9 }, rules: [{ perMinute: 1 }, { perMinute: 2 }] })
  t.same(parseAllowlist('allowed_tools: []\nlimits: { tools: { search_records: { concurrency: 1 } } }', 'x').limits?.({ id: 'x', kind: 'api-key', roles: [] }), { everybody: { tools: { search_records: { concurrency: 1 } } }, rules: [] })
  t.same(parseAllowlist('allowed_tools: []\nlimits: { tools: { serch_records: {} } }', 'x').unmatched(names), ['serch_records'])
  t.same(parseAllowlist('limits: { tools: { one: {} } }\nroles: { a: { allow: [], limits: { tools: { two: {}, search_records: {} } } } }', 'x').unmatched(names), ['one', 'two'])
})

t.test('what is no rule is refused with its place', async (t) => {
  const cases: Array<[text: string, reason: RegExp]> = [
    ['roles:', /roles must be a mapping/], ['roles: []', /roles must be a mapping/], ['roles: [reader]', /roles must be a mapping/], ['roles: reader', /roles must be a mapping/],
    ['roles: { reader: }', /roles\.reader must be a mapping/], ['roles: { reader: [a] }', /roles\.reader must be a mapping/], ['roles: { reader: "*" }', /roles\.reader must be a mapping/],
    ['roles: { reader: {} }', /roles\.reader\.allow must be a list/], ['roles: { reader: { deny: [a] } }', /roles\.reader\.allow must be a list/], ['roles: { reader: { allow: a } }', /allow must be a list/],
    ['roles: { reader: { allow: [a], deny: b } }', /roles\.reader\.deny must be a list/], ['roles: { reader: { allow: [1] } }', /allow must be a list/],
    ['roles: { reader: { allow: [a], limit: {} } }', /roles\.reader has an unknown key "limit"; the keys are allow, deny and limits/], ['roles: { reader: { allow: [a], limits: { perMinute: x } } }', /roles\.reader\.limits\.perMinute must be a whole number/], ['limits: []\nroles: {}', /limits must be a mapping/], ['roles: { reader: { allow: ["Get-*"] } }', /"Get-\*", which is neither/], ['roles: { reader: { allow: [""] } }', /"", which is neither/], ['roles: { reader: { allow: ["a b"] } }', /neither/],
    ['roles: { reader: { allow: [a] }, reader: { allow: [b] } }', /unique/], ['roles: { "a b": { allow: [a] } }', /can't be a role/], ['roles: { "": { allow: [a] } }', /can't be a role/]
  ]
  for (const [text, reason] of cases) t.throws(() => parseAllowlist(text, 'x.yaml'), { code: 'MCP_ALLOWLIST_INVALID', message: reason }, text)
})

t.test('a pattern covers what the regular expression of its stars covers', async (t) => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'b', '_'), maxLength: 8 })
  const pattern = fc.array(fc.constantFrom('a', 'b', '_', '*', 'ab'), { maxLength: 6 }).map((parts) => parts.join(''))
  fc.assert(fc.property(pattern, letters, (entry, name) => matches(entry, name) === new RegExp(`^${entry.replaceAll('*', '.*')}$`).test(name)), { numRuns: 5000 })
})
