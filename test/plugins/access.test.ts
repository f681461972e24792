import fc from 'fast-check'
import t from 'tap'
import { Type } from 'typebox'
import { parseAllowlist } from '../../src/allowlist.ts'
import { blocks } from '../../src/mcp/blocks.ts'
import type { Policy } from '../../src/mcp/registry.ts'
import { ToolError, type Principal, type Tool } from '../../src/mcp/tool.ts'
import { bareApp, principalHeader } from '../helpers/bare-app.ts'
import { readMessages, rpcRequest, type Era } from '../helpers/mcp-client.ts'

// S8: a tool not allowed to a principal neither lists nor runs nor reveals that it exists. Two servers get the same
// requests: one has every tool of the run, the other only those allowed. Nothing may tell them apart but the log.

const runs = Number(process.env.ACCESS_RUNS ?? 200)
const names = ['alpha', 'alpha_', 'beta', 'blocks', 'get_pool_status'] as const
const endings: Record<string, string> = { alpha: 'ok', alpha_: 'tool_error', beta: 'ok', blocks: 'ok', get_pool_status: 'ok' }
const ownText = (name: string): string => `own-text-of-${name}!`

interface Server { app: Awaited<ReturnType<typeof bareApp>>['app'], takeLog: Awaited<ReturnType<typeof bareApp>>['takeLog'], ran: string[] }

let current: Policy = { digest: '', allows: () => false }
let digests = 0
const policy: Policy = { get digest () { return current.digest }, allows: (principal, name) => current.allows(principal, name) }

function toolNamed (name: string, ran: string[]): Tool<any, any> {
  return {
    name,
    title: `Title ${ownText(name)}`,
    description: `Description ${ownText(name)}`,
    effect: 'read',
    input: Type.Object({ region: Type.Optional(Type.String({ 'x-mcp-header': 'Region', description: ownText(name) })) }),
    output: name === 'blocks' ? 'blocks' : Type.Object({ said: Type.String() }),
    handler: async () => {
      ran.push(name)
      if (endings[name] === 'tool_error') throw new ToolError('conflict', ownText(name))
      return name === 'blocks' ? blocks({ type: 'text', text: ownText(name) }) : { said: ownText(name) }
    }
  }
}

const servers = new Map<string, Promise<Server>>()

/** One server per set of tools; the policy is exchanged under it, as on a reload. */
async function serverWith (tools: string[]): Promise<Server> {
  const key = tools.join()
  const start = async (): Promise<Server> => {
    const ran: string[] = []
    return { ...await bareApp(t, { policy, tools: tools.map((name) => toolNamed(name, ran)) }), ran }
  }
  if (!servers.has(key)) servers.set(key, start())
  return await (servers.get(key) as Promise<Server>)
}

const subset = <T>(of: readonly T[]): fc.Arbitrary<T[]> => fc.subarray([...of])
const roleNames = ['anonymous', 'default', 'reader', 'a', 'b', 'a\nb', '', 'constructor'] as const
const principals: fc.Arbitrary<Principal> = fc.record({
  id: fc.constantFrom('anonymous', 'default', 'alice', 'alpha'),
  kind: fc.constantFrom('anonymous', 'api-key', 'oauth'),
  roles: fc.shuffledSubarray([...roleNames], { minLength: 1 })
})

const flat: fc.Arbitrary<Policy> = subset([...names, 'no_such_tool', 'ALPHA', 'beta ']).map((allowed) => parseAllowlist(`allowed_tools: ${JSON.stringify(allowed)}`, 'x'))
const byRole: fc.Arbitrary<Policy> = fc.array(fc.tuple(fc.constantFrom(...roleNames), subset(names)), { minLength: 1, maxLength: 6 })
  .map((grants) => ({ digest: '', allows: ({ roles }, name) => grants.some(([role, tools]) => roles.includes(role) && (tools as string[]).includes(name)) }))

const entries = fc.subarray([...names, '*', 'al*', '*a', 'get_*_status', 'b*a', 'nothing_*'], { maxLength: 4 })
const rolesOfFile: fc.Arbitrary<Policy> = fc.dictionary(fc.constantFrom('anonymous', 'default', 'reader', 'a', 'b', 'constructor'), fc.record({ allow: entries, deny: entries }), { minKeys: 1, maxKeys: 4 })
  .map((roles) => parseAllowlist(`roles: ${JSON.stringify(roles)}`, 'x'))

const askedNames = fc.oneof(
  { weight: 9, arbitrary: fc.constantFrom<string>(...names) },
  { weight: 2, arbitrary: fc.constantFrom('ALPHA', 'Alpha', 'alpha ', ' alpha', 'alpha\0', 'alpha\u200b', '\u0430lpha', 'аlpha', 'ａｌｐｈａ', 'alpha__', 'alph', 'tools/alpha', 'alpha%5F', '../alpha', 'alpha,beta', 'constructor', '__proto__', 'toString', 'hasOwnProperty', '', 'x'.repeat(3000), '=?base64?YWxwaGE=?=') },
  { weight: 1, arbitrary: fc.string({ unit: 'grapheme', maxLength: 12 }) }
)
const oddArguments: unknown[] = ['{}', [], 7, true, { unknown: 1 }, { constructor: 1 }]
const goodArguments: unknown[] = [undefined, null, {}, { region: null }]
interface Asked { name: string, args: unknown, good: boolean, region?: string, isNotification: boolean, also: object }
const asked: fc.Arbitrary<Asked> = fc.record({
  name: askedNames,
  given: fc.oneof(fc.constantFrom(...goodArguments).map((args) => ({ args, good: true })), fc.constantFrom('eu', 'a b').map((region) => ({ args: { region }, good: true, region })), fc.constantFrom(...oddArguments).map((args) => ({ args, good: false })), fc.constant({ args: { region: 5 }, good: false, region: '5' })),
  isNotification: fc.nat(9).map((n) => n === 0),
  also: fc.constantFrom({}, {}, {}, { inputResponses: { who: { action: 'accept' } } }, { requestState: 'forged' }, { _meta: { progressToken: 1 } })
}).map(({ given, ...rest }) => ({ ...given, ...rest }))

/** How a request may lie in its headers about the tool it calls. */
const lies = fc.option(fc.constantFrom<string>(...names, 'nope'), { nil: undefined, freq: 2 })
const regions = fc.constantFrom(undefined, 'eu', 'a b')

interface Shape { kind: string, headers: Record<string, string>, body: unknown, era: Era, calls: Asked[], lie?: string, lists?: boolean }

const paramsOf = ({ name, args, also }: Asked): Record<string, unknown> => ({ name, arguments: args, ...also })
const withoutId = ({ isNotification }: Asked, body: Record<string, unknown>): Record<string, unknown> => {
  const { id: _id, ...rest } = body
  return isNotification ? rest : body
}

const modernCall: fc.Arbitrary<Shape> = fc.tuple(asked, lies, regions, fc.boolean()).map(([call, lie, region, encoded]) => {
  const { headers, body } = rpcRequest('tools/call', paramsOf(call))
  const nameHeader = encoded ? { 'mcp-name': `=?base64?${Buffer.from(call.name.toWellFormed()).toString('base64')}?=` } : {}
  return { kind: 'modern call', era: 'modern', headers: { ...headers, ...nameHeader, ...lie === undefined ? {} : { 'mcp-name': lie }, ...region === undefined ? {} : { 'mcp-param-region': region } }, body: withoutId(call, body), calls: [call], lie }
})
const legacyHeaders = fc.tuple(lies, fc.constantFrom(undefined, '2025-11-25', '2025-06-18', '2025-03-26'), regions).map(([lie, version, region]) => {
  const { 'mcp-protocol-version': _version, ...headers } = rpcRequest('ping', {}, { era: 'legacy' }).headers
  return { ...headers, ...version === undefined ? {} : { 'mcp-protocol-version': version }, ...lie === undefined ? {} : { 'mcp-name': lie, 'mcp-method': 'tools/list' }, ...region === undefined ? {} : { 'mcp-param-region': region } } as Record<string, string>
})
const legacyCall: fc.Arbitrary<Shape> = fc.tuple(asked, legacyHeaders).map(([call, headers]) =>
  ({ kind: 'legacy call', era: 'legacy', headers, body: withoutId(call, rpcRequest('tools/call', paramsOf(call), { era: 'legacy' }).body), calls: [call] }))
const legacyBatch: fc.Arbitrary<Shape> = fc.tuple(fc.array(asked, { minLength: 1, maxLength: 6 }), legacyHeaders, fc.boolean()).map(([calls, headers, lists]) => {
  const { 'mcp-protocol-version': version, ...rest } = headers
  const elements = calls.map((call, id) => withoutId(call, rpcRequest('tools/call', paramsOf(call), { era: 'legacy', id }).body))
  return {
    kind: 'legacy batch',
    era: 'legacy',
    headers: { ...rest, ...version === '2025-03-26' ? { 'mcp-protocol-version': version } : {} },
    body: lists ? [...elements, { jsonrpc: '2.0', id: 'list', method: 'tools/list' }] : elements,
    calls,
    lists
  }
})
const listing: fc.Arbitrary<Shape> = fc.constantFrom<Era>('modern', 'legacy').map((era) => ({ kind: `${era} list`, era, ...rpcRequest('tools/list', {}, { era }), calls: [], lists: true }))
/** A key that stands twice: the last one counts, whatever comes first. */
const twice: fc.Arbitrary<Shape> = fc.tuple(asked, askedNames, fc.constantFrom<Era>('modern', 'legacy')).map(([call, first, era]) => {
  const { headers, body } = rpcRequest('tools/call', paramsOf(call), { era })
  return { kind: `${era} call, named twice`, era, headers, body: JSON.stringify(body).replace('"name":', `"name":${JSON.stringify(first)},"name":`), calls: [{ ...call, isNotification: false }] }
})
const shapes = fc.oneof(modernCall, modernCall, legacyCall, legacyBatch, legacyBatch, listing, twice)

async function ask ({ app, takeLog, ran }: Server, { headers, body }: Shape, principal: Principal) {
  takeLog()
  ran.length = 0
  const response = await app.inject({ method: 'POST', url: '/mcp', headers: { ...headers, ...principalHeader(principal) }, payload: typeof body === 'string' ? body : JSON.stringify(body) })
  const { date: _date, ...rest } = response.headers
  const log = takeLog()
  return {
    answer: { status: response.statusCode, headers: rest, text: response.payload.replace(/(allId":")[\da-f-]{36}/g, '$1') }, // each call has its own
    ran: [...ran].sort(),
    outcomes: log.filter(({ msg }) => msg === 'tool call').map(({ outcome }) => outcome as string).sort(),
    refusals: log.filter(({ msg }) => msg.startsWith('request refused')).length
  }
}

/** How each attempt of a request must be counted, or undefined when the request is refused as a whole. */
function expectedOutcomes ({ era, calls, lie, headers }: Shape, registered: string[], allowed: string[]): string[] | undefined {
  const attempts = calls.filter(({ isNotification }) => !isNotification)
  if (era === 'modern' && attempts.some(({ name, region }) => (lie !== undefined && lie !== name) || (allowed.includes(name) && region !== undefined && headers['mcp-param-region'] !== region))) return undefined
  return attempts.map(({ name, good, also }) => {
    if (!allowed.includes(name)) return registered.includes(name) ? 'denied' : 'unknown'
    return good && !('requestState' in also) ? endings[name] as string : 'invalid'
  }).sort()
}

t.test('no policy, principal or request lets a denied tool list, run or show', async (t) => {
  const seen: Record<string, number> = {}
  const count = (what: string): void => { seen[what] = (seen[what] ?? 0) + 1 }

  await fc.assert(fc.asyncProperty(fc.subarray([...names], { minLength: 2 }), fc.oneof(flat, byRole, rolesOfFile), fc.array(fc.tuple(principals, shapes), { minLength: 2, maxLength: 4 }), async (registered, chosen, requests) => {
    current = { digest: `policy ${digests++}`, allows: chosen.allows }
    for (const [principal, shape] of requests) {
      const allowed = registered.filter((name) => chosen.allows(principal, name))
      const denied = registered.filter((name) => !allowed.includes(name))
      const full = await ask(await serverWith(registered), shape, principal)
      const without = await ask(await serverWith(allowed), shape, principal)
      const context = JSON.stringify({ registered, allowed, shape, full, without })

      if (JSON.stringify(full.answer) !== JSON.stringify(without.answer)) throw new Error(`the answers differ: ${context}`)
      const shown = JSON.stringify(full.answer)
      if (denied.some((name) => shown.includes(ownText(name)))) throw new Error(`a denied tool shows: ${context}`)

      const expected = expectedOutcomes(shape, registered, allowed)
      if (JSON.stringify(full.outcomes) !== JSON.stringify(expected ?? [])) throw new Error(`counted wrongly, expected ${JSON.stringify(expected)}: ${context}`)
      if (full.refusals !== (expected === undefined ? 1 : 0)) throw new Error(`a refused request is logged once: ${context}`)

      const mustRun = shape.calls.filter(({ name, isNotification, good, also }) => expected !== undefined && !isNotification && good && !('requestState' in also) && (allowed as string[]).includes(name)).map(({ name }) => name).sort()
      if (JSON.stringify(full.ran) !== JSON.stringify(mustRun)) throw new Error(`ran ${JSON.stringify(full.ran)} instead of ${JSON.stringify(mustRun)}: ${context}`)
      for (const name of mustRun) if (!shown.includes(ownText(name))) throw new Error(`an allowed tool did not answer: ${context}`)
      if (shape.lists === true) {
        const listed = readMessages(full.answer.text).find(({ result }) => result?.tools !== undefined)?.result.tools.map(({ name }: { name: string }) => name)
        if (JSON.stringify(listed) !== JSON.stringify([...allowed].sort())) throw new Error(`listed ${JSON.stringify(listed)}: ${context}`)
      }

      count(shape.kind)
      for (const outcome of expected ?? ['refused as a whole']) count(outcome)
    }
  }), { numRuns: runs, ...process.env.ACCESS_SEED === undefined ? {} : { seed: Number(process.env.ACCESS_SEED) } })

  t.comment(JSON.stringify(seen))
  for (const what of ['modern call', 'legacy call', 'legacy batch', 'modern list', 'legacy list', 'modern call, named twice', 'legacy call, named twice', 'denied', 'unknown', 'ok', 'tool_error', 'invalid', 'refused as a whole']) t.ok((seen[what] ?? 0) > 0, `${what}: ${seen[what] ?? 0}`)
})
