import t from 'tap'
import { Type } from 'typebox'
import { FreeJson, Nullable } from '../../../src/mcp/output.ts'
import { createRegistry } from '../../../src/mcp/registry.ts'
import { compiledTool } from '../../helpers/attempt.ts'

const good = { name: 'good', description: 'Good.', effect: 'read' as const, input: Type.Object({}), output: Type.Object({ n: Type.Integer() }), handler: async () => ({ n: 1 }) }
const principal = { id: 'a', kind: 'anonymous' as const, roles: ['r'] }

t.test('a wrong tool stops the boot with a sentence that names it and the fix', async (t) => {
  const cases: Array<[parts: Record<string, unknown>, fix: RegExp]> = [
    [{ name: 'Bad Name' }, /must match \[a-z\]/],
    [{ name: 'x'.repeat(65) }, /at most 64/],
    [{ name: undefined }, /must match/],
    [{ name: 'constructor' }, /every JavaScript object has/],
    [{ description: ' ' }, /no description/],
    [{ handler: undefined }, /no handler/],
    [{ effect: 'delete' }, /effect must be 'read' or 'write'/],
    [{ effect: 'write', foreignSql: true }, /SQL from elsewhere may only read/],
    [{ limits: { perMinute: -5 } }, /limits\.perMinute must be a whole number/],
    [{ limits: { perMinutes: 5 } }, /limits has an unknown key "perMinutes"/],
    [{ output: undefined }, /no output/],
    [{ input: undefined }, /input must be an object schema/],
    [{ input: Type.String() }, /input must be an object schema/],
    [{ input: { ...Type.Object({}), allOf: [] } }, /additionalProperties: false/],
    [{ input: { ...Type.Object({}), anyOf: [] } }, /input has anyOf at the top level/],
    [{ output: { ...Type.Object({}), oneOf: [] } }, /output has oneOf at the top level/],
    [{ input: { ...Type.Object({}), $ref: '#/x' } }, /\$ref at the top level/],
    [{ output: Type.Object({ x: Type.Unknown() }) }, /output\/x has no type.*FreeJson/],
    [{ output: Type.Object({ x: Type.Array(Type.Any()) }) }, /output\/x\/items has no type/],
    [{ output: Type.Object({ x: Type.Record(Type.String(), Type.String()) }) }, /output\/x is an object without declared properties/],
    [{ output: Type.Object({ x: Type.Unsafe({ type: 'array' }) }) }, /output\/x is an array without items/]
  ]
  for (const [parts, fix] of cases) t.throws(() => { createRegistry().add({ ...good, ...parts } as never) }, { code: 'MCP_TOOL_INVALID', message: fix }, JSON.stringify(parts))
})

t.test('two tools of one name, and a tool that comes late, are refused', async (t) => {
  const registry = createRegistry()
  registry.add(good)
  t.throws(() => { registry.add(good) }, { code: 'MCP_TOOL_DUPLICATE', message: /"good" is registered twice/ })
  registry.seal()
  t.throws(() => { registry.add({ ...good, name: 'late' }) }, { code: 'MCP_TOOLS_SEALED', message: /"late"/ })
})

t.test('a view holds what the policy allows, sorted, and nothing by default', async (t) => {
  const registry = createRegistry({ digest: '1', allows: ({ roles }, name) => roles.includes('admin') || name === 'good' })
  for (const name of ['zeta', 'good', 'alpha']) registry.add({ ...good, name })
  t.same(registry.view(principal).definitions.map(({ name }) => name), ['good'])
  t.same([...registry.view({ ...principal, roles: ['x', 'admin'] }).tools.keys()], ['alpha', 'good', 'zeta'])
  t.equal(registry.view({ ...principal, roles: ['admin', 'x'] }), registry.view({ ...principal, roles: ['x', 'admin'] }), 'made once for a set of roles')
  t.equal(registry.view({ ...principal, roles: ['x\nadmin'] }).tools.size, 1, 'a role that spells two others is neither')
  registry.view({ ...principal, roles: ['x', 'y'] })
  t.not(registry.view({ ...principal, roles: ['x\ny'] }), registry.view({ ...principal, roles: ['x', 'y'] }))
  const closed = createRegistry()
  closed.add(good)
  t.equal(closed.view(principal).tools.size, 0)
})

t.test('what is published is closed, annotated, and free of our own keywords', async (t) => {
  const { definition } = compiledTool({
    title: 'T',
    input: Type.Object({ a: Type.Optional(Type.Object({ b: Type.String({ errorMessage: 'b!' }) }, { errorMessage: 'a!' })), errorMessage: Type.Optional(Type.String()) }),
    output: Type.Object({ free: FreeJson(), maybe: Nullable(Type.String()) }),
    annotations: { openWorldHint: true }
  })
  t.same(definition.annotations, { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: true })
  t.notMatch(JSON.stringify(definition), /[ab]!|x-portcullis/)
  t.match(definition.inputSchema, { type: 'object', additionalProperties: false, properties: { a: { additionalProperties: false }, errorMessage: { type: 'string' } } })
})

t.test('input: null means omitted, defaults are filled in, nothing is coerced', async (t) => {
  const { check } = compiledTool({
    input: Type.Object({
      n: Type.Optional(Type.Integer({ default: 3 })),
      o: Type.Optional(Type.Object({ s: Type.Optional(Type.String()) })),
      list: Type.Optional(Type.Array(Type.Object({ k: Type.Optional(Type.String()) }))),
      nullable: Type.Optional(Nullable(Type.String())),
      big: Type.Optional(Type.Number()),
      kind: Type.Optional(Type.Enum(['a', 'b'])),
      either: Type.Optional(Type.Union([Type.Object({ b: Type.String() }), Type.String()])),
      named: Type.Optional(Type.Record(Type.String(), Type.Object({ b: Type.String() }))),
      said: Type.Optional(Type.String({ minLength: 2, errorMessage: 'said has two letters at least' }))
    })
  })
  for (const none of [undefined, null, {}, { n: null, o: null, kind: null, list: null }]) t.same(check(none), { ok: true, args: { n: 3 } })
  t.same(check({ o: { s: null }, list: [{ k: null }], nullable: null }), { ok: true, args: { n: 3, o: {}, list: [{}], nullable: null } })
  const cases: Array<[args: unknown, message: RegExp]> = [
    ['{}', /arguments must be an object, not a string/], [[], /not an array/], [5, /not a number/],
    [{ n: '3' }, /n must be an integer, not a string/], [{ n: 3.5 }, /n must be an integer, not a fraction/], [{ n: true }, /n must be an integer, not a boolean/], [{ n: [3] }, /not an array/],
    [{ o: '{"s":"x"}' }, /o must be an object, not a string/], [{ o: { s: 5 } }, /o\.s must be a string, not a number/], [{ o: { x: 1 } }, /o has no "x"; allowed: s/],
    [{ list: [{ k: 'a' }, { k: 1 }] }, /list\.1\.k must be a string/], [{ kind: 'c' }, /kind must be one of: "a", "b"/], [{ kind: 5 }, /kind must be one of/],
    [{ said: 'x' }, /^said has two letters at least$/], [{ said: 5 }, /^said has two letters at least$/],
    [{ big: 2 ** 53 }, /big is a number that can't be kept exactly/], [{ zzz: null }, /arguments has no "zzz"/], [JSON.parse('{"__proto__":1}'), /arguments has no "__proto__"/], [{ constructor: 1 }, /has no "constructor"/], [{ either: { b: '1', z: 1 } }, /either/], [{ named: { x: { b: '1', z: 1 } } }, /named/]
  ]
  for (const [args, message] of cases) {
    const checked = check(args)
    t.equal(checked.ok, false, JSON.stringify(args))
    t.match((checked as { message: string }).message, message)
  }
})

t.test('output: declared fields alone leave, at every depth; what is wrong does not turn into something else', async (t) => {
  const { shape } = compiledTool({ output: Type.Object({ s: Type.String(), n: Type.Optional(Type.Integer()), list: Type.Optional(Type.Array(Type.Object({ id: Type.String() }))), free: Type.Optional(FreeJson()), maybe: Type.Optional(Nullable(Type.String())), strict: Type.Optional(Type.Object({ a: Type.String() }, { additionalProperties: false })) }) })
  t.equal(shape?.serialize({ s: 'x', secret: 1, list: [{ id: 'a', secret: 2 }], free: { any: [1, { x: null }] }, maybe: null, strict: { a: '1', b: 2 } }), '{"s":"x","list":[{"id":"a"}],"free":{"any":[1,{"x":null}]},"maybe":null,"strict":{"a":"1"}}')
  t.equal(shape?.accepts({ s: 'x', strict: { a: '1', b: 2 } }), true, 'undeclared fields are dropped, no fault')
  for (const wrong of [{}, { s: null }, { s: {} }, { s: 'x', n: 1.7 }, { s: 'x', n: NaN }, { s: 'x', list: [{}] }, { s: 'x', free: [] }, { s: new Date() }]) t.equal(shape?.accepts(wrong), false, JSON.stringify(wrong))
})

t.test('the JSON Schema keywords that the conformance suite needs are legal', async (t) => {
  const { check, definition } = compiledTool({
    input: Type.Unsafe({ $schema: 'https://json-schema.org/draft/2020-12/schema', type: 'object', $defs: { address: { $anchor: 'addressDef', type: 'object', properties: { street: { type: 'string' } } } }, properties: { address: { $ref: '#/$defs/address' }, phone: { type: 'string' }, email: { type: 'string' } }, allOf: [{ anyOf: [{ required: ['phone'] }, { required: ['email'] }] }], if: { required: ['phone'] }, then: { properties: { phone: { minLength: 3 } } }, additionalProperties: false }) as never
  })
  t.equal(check({ phone: '123', address: { street: 'x' } }).ok, true)
  t.equal(check({}).ok, false)
  t.equal(check({ phone: '1' }).ok, false)
  t.equal(check({ email: 'x', address: { street: 5 } }).ok, false)
  t.match(definition.inputSchema, { $schema: /2020-12/, $defs: { address: { $anchor: 'addressDef' } } })
})
