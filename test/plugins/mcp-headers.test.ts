import t from 'tap'
import { Type } from 'typebox'
import { allowing } from '../helpers/allowlist.ts'
import { buildApp } from '../helpers/build-app.ts'
import { listening, type Headers, type Sent } from '../helpers/listening.ts'
import { modernMeta, rpcRequest } from '../helpers/mcp-client.ts'

// S5: header/body mismatch, wrong version and missing _meta are refused as revision 2026-07-28 says (transports,
// "Request Metadata"; SEP-2243, SEP-2575). Each line: what is sent, HTTP status, JSON-RPC code ('ok' for a result,
// 'none' for no message), and what `data` must hold.

const revision = '2026-07-28'
const versionKey = 'io.modelcontextprotocol/protocolVersion'
const capabilitiesKey = 'io.modelcontextprotocol/clientCapabilities'
const base64 = (text: string): string => `=?base64?${Buffer.from(text).toString('base64')}?=`

function modern (method: string, params: object = {}, headers: Headers = {}): Sent {
  const request = rpcRequest(method, params as Record<string, unknown>)
  return { headers: { ...request.headers, ...headers }, body: request.body }
}
const call = (headers: Headers, name: unknown = 'get_statistics'): Sent => modern('tools/call', { name, arguments: {} }, headers)
const list = (headers: Headers): Sent => modern('tools/list', {}, headers)
const meta = (changed: object, headers: Headers = {}): Sent => modern('tools/list', { _meta: changed }, headers)
const version = (header: string | string[] | undefined, inBody: unknown): Sent => meta({ [versionKey]: inBody }, { 'mcp-protocol-version': header })
const params = (given: unknown): Sent => ({ ...list({}), body: { jsonrpc: '2.0', id: 1, method: 'tools/list', params: given } })
const prompt = (headers: Headers): Sent => modern('prompts/get', { name: 'greeting' }, headers)
const resource = (headers: Headers): Sent => modern('resources/read', { uri: 'file:///a b' }, headers)
const deploy = (args: object, headers: Headers): Sent => modern('tools/call', { name: 'test_deploy', arguments: args }, headers)
const verb = (name: string): Sent => ({ verb: name, headers: { host: 'localhost', accept: 'text/event-stream' } })

function notification (method: string, headers: Headers): Sent {
  const { body: { id: _id, ...body }, headers: usual } = rpcRequest(method)
  return { headers: { ...usual, ...headers }, body }
}
function legacy (method: string, params: object = {}, headers: Headers = {}): Sent {
  const request = rpcRequest(method, params as Record<string, unknown>, { era: 'legacy' })
  return { headers: { ...request.headers, ...headers }, body: request.body }
}
const legacyCall = (headers: Headers): Sent => legacy('tools/call', { name: 'get_statistics', arguments: {} }, headers)
const hello = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'c', version: '1' } }

function batch (header: string | undefined, ...elements: Sent[]): Sent {
  return { headers: { ...legacy('ping').headers, 'mcp-protocol-version': header }, body: elements.map(({ body }, id) => ({ ...body as object, id })) }
}

type Code = number | 'ok' | 'none'
const cases: Array<[what: string, sent: Sent, status: number, code: Code, data?: object]> = [
  ['a call as it should be', call({}), 200, 'ok'],
  ['header names in another case', call({ 'mcp-method': undefined, 'MCP-METHOD': 'tools/call' }), 200, 'ok'],

  ['Mcp-Method missing', call({ 'mcp-method': undefined }), 400, -32020, { mismatch: {} }],
  ['Mcp-Method empty', call({ 'mcp-method': '' }), 400, -32020],
  ['Mcp-Method names another method', call({ 'mcp-method': 'tools/list' }), 400, -32020, { mismatch: {} }],
  ['Mcp-Method in another case', call({ 'mcp-method': 'Tools/Call' }), 400, -32020],
  ['Mcp-Method with a slash too many', call({ 'mcp-method': '/tools/call' }), 400, -32020],
  ['Mcp-Method between white space', call({ 'mcp-method': ' \ttools/call\t ' }), 200, 'ok'],
  ['Mcp-Method twice, alike', call({ 'mcp-method': ['tools/call', 'tools/call'] }), 400, -32020],
  ['Mcp-Method twice, first right', call({ 'mcp-method': ['tools/call', 'tools/list'] }), 400, -32020],
  ['Mcp-Method missing on a method without a name', list({ 'mcp-method': undefined }), 400, -32020],

  ['Mcp-Name missing', call({ 'mcp-name': undefined }), 400, -32020, { mismatch: {} }],
  ['Mcp-Name empty', call({ 'mcp-name': '' }), 400, -32020],
  ['Mcp-Name names another tool', call({ 'mcp-name': 'search_records' }), 400, -32020, { mismatch: {} }],
  ['Mcp-Name in another case', call({ 'mcp-name': 'Get_Statistics' }), 400, -32020],
  ['Mcp-Name between white space', call({ 'mcp-name': '\t get_statistics \t' }), 200, 'ok'],
  ['Mcp-Name percent-encoded', call({ 'mcp-name': 'get%5Fstatistics' }), 400, -32020],
  ['Mcp-Name twice, alike', call({ 'mcp-name': ['get_statistics', 'get_statistics'] }), 400, -32020],
  ['Mcp-Name twice, last right', call({ 'mcp-name': ['search_records', 'get_statistics'] }), 400, -32020],
  ['Mcp-Name in base64', call({ 'mcp-name': base64('get_statistics') }), 200, 'ok'],
  ['Mcp-Name in base64 between white space', call({ 'mcp-name': ` ${base64('get_statistics')} ` }), 200, 'ok'],
  ['Mcp-Name in base64 of another tool', call({ 'mcp-name': base64('search_records') }), 400, -32020],
  ['Mcp-Name in base64, marker in capitals', call({ 'mcp-name': base64('get_statistics').replace('base64', 'BASE64') }), 400, -32020],
  ['Mcp-Name in base64, end marker missing', call({ 'mcp-name': base64('get_statistics').slice(0, -2) }), 400, -32020],
  ['Mcp-Name in base64, alphabet wrong', call({ 'mcp-name': '=?base64?!!!!?=' }), 400, -32020],
  ['Mcp-Name in base64, url alphabet', call({ 'mcp-name': '=?base64?__--?=' }), 400, -32020],
  ['Mcp-Name in base64, padding missing', call({ 'mcp-name': '=?base64?Z2V0X3N0YXRpc3RpY3M?=' }), 400, -32020],
  ['Mcp-Name in base64, padding too long', call({ 'mcp-name': '=?base64?Z2V0X3N0YXRpc3RpY3M==?=' }), 400, -32020],
  ['Mcp-Name in base64, white space inside', call({ 'mcp-name': '=?base64?Z2V0 X3N0YXRpc3RpY3M=?=' }), 400, -32020],
  ['Mcp-Name in base64, no UTF-8', call({ 'mcp-name': '=?base64?/w==?=' }), 400, -32020],
  ['Mcp-Name in base64, empty', call({ 'mcp-name': '=?base64??=' }), 400, -32020],
  ['Mcp-Name encoded twice', call({ 'mcp-name': base64(base64('get_statistics')) }), 400, -32020],
  ['Mcp-Name on a method that has none', list({ 'mcp-name': 'get_statistics' }), 200, 'ok'],
  ['an unknown tool, named alike', call({}, 'nope'), 200, -32602],
  ['an unknown tool, header names a known one', call({ 'mcp-name': 'get_statistics' }, 'nope'), 400, -32020],
  ['a name outside ASCII in base64', call({}, 'größe'), 200, -32602],
  ['a name outside ASCII, sent as bytes', call({ 'mcp-name': Buffer.from('größe').toString('latin1') }, 'größe'), 400, -32020],
  ['a name that looks encoded, encoded', call({ 'mcp-name': base64('=?base64?x?=') }, '=?base64?x?='), 200, -32602],
  ['a name that looks encoded, sent as it is', call({ 'mcp-name': '=?base64?x?=' }, '=?base64?x?='), 400, -32020],
  ['no name at all, in neither place', modern('tools/call', { arguments: {} }), 200, -32602],

  ['prompts/get, named alike, which nobody offers', prompt({ 'mcp-name': 'greeting' }), 404, -32601],
  ['prompts/get, Mcp-Name missing', prompt({ 'mcp-name': undefined }), 400, -32020],
  ['prompts/get, Mcp-Name different', prompt({ 'mcp-name': 'other' }), 400, -32020],
  ['resources/read, Mcp-Name is the uri, which nobody offers', resource({ 'mcp-name': 'file:///a b' }), 404, -32601],
  ['resources/read, Mcp-Name missing', resource({}), 400, -32020],
  ['resources/read, Mcp-Name different', resource({ 'mcp-name': 'file:///a%20b' }), 400, -32020],

  ['version header missing', version(undefined, revision), 400, -32020, { mismatch: {} }],
  ['version header empty', version('', revision), 400, -32020],
  ['version header between white space', version(` ${revision}\t`, revision), 200, 'ok'],
  ['version header twice, alike', version([revision, revision], revision), 400, -32020],
  ['version header twice, first right', version([revision, '2025-11-25'], revision), 400, -32020],
  ['version header older than the body', version('2025-11-25', revision), 400, -32020, { mismatch: {} }],
  ['version header unknown, body known', version('2099-01-01', revision), 400, -32020],
  ['version header known, body unknown', version(revision, '2099-01-01'), 400, -32020],
  ['version header known, body older', version(revision, '2025-11-25'), 400, -32020],
  ['an older version in both, in the form of the new one', version('2025-11-25', '2025-11-25'), 400, -32022, { supported: [revision], requested: '2025-11-25' }],
  ['a version of the future in both', version('2099-01-01', '2099-01-01'), 400, -32022, { supported: [revision], requested: '2099-01-01' }],
  ['a version between two revisions in both', version('2026-07-29', '2026-07-29'), 400, -32022, { supported: [revision], requested: '2026-07-29' }],
  ['no date at all in both', version('banana', 'banana'), 400, -32022, { supported: [revision], requested: 'banana' }],

  ['_meta missing', params({}), 400, -32602, { envelope: { missing: ['_meta'] } }],
  ['params missing', params(undefined), 400, -32602, { envelope: { missing: ['_meta'] } }],
  ['_meta empty', params({ _meta: {} }), 400, -32602, { envelope: { missing: [versionKey, capabilitiesKey] } }],
  ['protocolVersion missing in _meta', meta({ [versionKey]: undefined }), 400, -32602, { envelope: { missing: [versionKey] } }],
  ['protocolVersion a number', meta({ [versionKey]: 20260728 }), 400, -32602, { envelope: { key: versionKey } }],
  ['protocolVersion null', meta({ [versionKey]: null }), 400, -32602, { envelope: { key: versionKey } }],
  ['clientCapabilities missing in _meta', meta({ [capabilitiesKey]: undefined }), 400, -32602, { envelope: { key: capabilitiesKey } }],
  ['clientCapabilities null', meta({ [capabilitiesKey]: null }), 400, -32602, { envelope: { key: capabilitiesKey } }],
  ['clientCapabilities a text', meta({ [capabilitiesKey]: 'all' }), 400, -32602, { envelope: { key: capabilitiesKey } }],
  ['clientCapabilities a list', meta({ [capabilitiesKey]: [] }), 400, -32602, { envelope: { key: capabilitiesKey } }],
  ['_meta keys without their prefix', params({ _meta: { protocolVersion: revision, clientCapabilities: {} } }), 400, -32602],
  ['clientInfo, which nobody may demand, missing', params({ _meta: modernMeta }), 200, 'ok'],
  ['params a list', params([]), 400, -32600],

  ['server/discover', modern('server/discover'), 200, 'ok'],
  ['server/discover without a claim', legacy('server/discover', {}, { 'mcp-protocol-version': undefined }), 200, -32601],
  ['initialize, removed', modern('initialize', hello), 404, -32601],
  ['ping, removed', modern('ping'), 404, -32601],
  ['logging/setLevel, removed', modern('logging/setLevel', { level: 'debug' }), 404, -32601],
  ['resources/subscribe, removed', modern('resources/subscribe', { uri: 'x:y' }), 404, -32601],
  ['tasks/list, not in core', modern('tasks/list'), 404, -32601],
  ['prompts/list, not declared', modern('prompts/list'), 404, -32601],
  ['completion/complete, not declared', modern('completion/complete', { ref: { type: 'ref/prompt', name: 'x' }, argument: { name: 'a', value: 'b' } }), 404, -32601],
  ['sampling/createMessage, which is the client\'s', modern('sampling/createMessage', { messages: [], maxTokens: 1 }), 404, -32601],
  ['an unknown method', modern('no/such'), 404, -32601],
  ['a method named like a part of an object', modern('constructor'), 404, -32601],
  ['a method in another case', modern('Tools/List'), 404, -32601],
  ['subscriptions/listen without a filter', modern('subscriptions/listen'), 200, -32602],

  ['a notification', notification('notifications/cancelled', {}), 202, 'none'],
  ['a notification, Mcp-Method different', notification('notifications/cancelled', { 'mcp-method': 'notifications/initialized' }), 400, -32020],
  ['a notification, version header different', notification('notifications/cancelled', { 'mcp-protocol-version': '2025-11-25' }), 400, -32020],
  ['a call without id is a notification and calls nothing', notification('tools/call', {}), 202, 'none'],
  ['a legacy notification', { ...legacy('ping'), body: { jsonrpc: '2.0', method: 'notifications/initialized' } }, 202, 'none'],

  ['a batch under a modern header', batch(revision, legacy('tools/list')), 400, -32600],
  ['a batch of modern requests without a header', batch(undefined, list({}), legacy('tools/list')), 400, -32600],
  ['an empty batch', batch(undefined), 400, -32600],
  ['a batch under 2025-11-25', batch('2025-11-25', legacy('tools/list')), 400, -32600],
  ['a batch under 2025-06-18', batch('2025-06-18', legacy('tools/list')), 400, -32600],
  ['a batch under a version nobody knows', batch('2099-01-01', legacy('tools/list')), 400, -32600],
  ['a batch under 2025-03-26', batch('2025-03-26', legacy('tools/list'), legacy('ping')), 200, 'ok'],
  ['a batch without a header', batch(undefined, legacy('tools/list'), legacy('ping')), 200, 'ok'],

  ['legacy initialize', legacy('initialize', hello), 200, 'ok'],
  ['legacy ping', legacy('ping'), 200, 'ok'],
  ['legacy unknown method', legacy('no/such'), 200, -32601],
  ['legacy unknown tool', legacy('tools/call', { name: 'nope' }), 200, -32602],
  ['legacy version nobody knows', legacyCall({ 'mcp-protocol-version': '1999-01-01' }), 400, -32000],
  ['legacy without a version header counts as 2025-03-26', legacyCall({ 'mcp-protocol-version': undefined }), 200, 'ok'],
  ['legacy ignores Mcp-Method', legacyCall({ 'mcp-method': 'tools/list' }), 200, 'ok'],
  ['legacy ignores Mcp-Name', legacyCall({ 'mcp-name': 'search_records' }), 200, 'ok'],
  ['legacy ignores a malformed Mcp-Name', legacyCall({ 'mcp-name': '=?base64?!?=' }), 200, 'ok'],
  ['legacy ignores Mcp-Param', legacy('tools/call', { name: 'test_deploy', arguments: { region: 'eu' } }, { 'mcp-param-region': 'us' }), 200, 'ok'],
  ['legacy body under a modern header', legacyCall({ 'mcp-protocol-version': revision }), 400, -32602],

  ['Mcp-Session-Id is ignored', call({ 'mcp-session-id': 'stale' }), 200, 'ok'],
  ['Last-Event-ID is ignored', call({ 'last-event-id': '7' }), 200, 'ok'],
  ['legacy Mcp-Session-Id is ignored', legacyCall({ 'mcp-session-id': 'stale' }), 200, 'ok'],

  ['no Accept', call({ accept: undefined }), 200, 'ok'],
  ['Accept */*', call({ accept: '*/*' }), 200, 'ok'],
  ['Accept in any order and case, with weights', call({ accept: 'TEXT/event-stream;q=0.1, application/JSON' }), 200, 'ok'],
  ['legacy no Accept', legacyCall({ accept: undefined }), 200, 'ok'],
  ['legacy Accept without event streams', legacyCall({ accept: 'application/json' }), 406, -32000],
  ['legacy Accept of neither', legacyCall({ accept: 'text/html' }), 406, -32000],
  ['Content-Type with a charset, in capitals', call({ 'content-type': 'Application/JSON; Charset=UTF-8' }), 200, 'ok'],
  ['Content-Type missing', call({ 'content-type': undefined }), 415, -32600],
  ['Content-Type text/plain', call({ 'content-type': 'text/plain' }), 415, -32600],
  ['Content-Type of a form', call({ 'content-type': 'application/x-www-form-urlencoded' }), 415, -32600],
  ['Content-Type that begins like JSON', call({ 'content-type': 'application/jsonp' }), 415, -32600],

  ['GET', verb('GET'), 405, -32000],
  ['DELETE', verb('DELETE'), 405, -32000],
  ['HEAD', verb('HEAD'), 405, 'none'],
  ['PUT', verb('PUT'), 405, -32000],
  ['PATCH', verb('PATCH'), 405, -32000],

  ['Mcp-Param as in the body', deploy({ region: 'eu-west' }, { 'mcp-param-region': 'eu-west' }), 200, 'ok'],
  ['Mcp-Param missing', deploy({ region: 'eu-west' }, {}), 400, -32020, { mismatch: {} }],
  ['Mcp-Param different', deploy({ region: 'eu-west' }, { 'mcp-param-region': 'us-east' }), 400, -32020, { mismatch: {} }],
  ['Mcp-Param in another case', deploy({ region: 'eu-west' }, { 'mcp-param-region': 'EU-WEST' }), 400, -32020],
  ['Mcp-Param in base64', deploy({ region: ' größe ' }, { 'mcp-param-region': base64(' größe ') }), 200, 'ok'],
  ['Mcp-Param in base64, alphabet wrong', deploy({ region: 'eu-west' }, { 'mcp-param-region': '=?base64?!!!!?=' }), 400, -32020],
  ['Mcp-Param twice', deploy({ region: 'eu-west' }, { 'mcp-param-region': ['eu-west', 'us-east'] }), 400, -32020],
  ['no Mcp-Param for an argument left out', deploy({}, {}), 200, 'ok'],
  ['no Mcp-Param for null', deploy({ region: null }, {}), 200, 'ok'],
  ['Mcp-Param of an integer', deploy({ level: 42 }, { 'mcp-param-level': '42' }), 200, 'ok'],
  ['Mcp-Param of an integer, compared as a number', deploy({ level: 42 }, { 'mcp-param-level': '42.0' }), 200, 'ok'],
  ['Mcp-Param of another integer', deploy({ level: 42 }, { 'mcp-param-level': '43' }), 400, -32020],
  ['Mcp-Param of an integer, no number', deploy({ level: 42 }, { 'mcp-param-level': 'forty-two' }), 400, -32020],
  ['Mcp-Param of a boolean', deploy({ force: true }, { 'mcp-param-force': 'true' }), 200, 'ok'],
  ['Mcp-Param of a boolean in capitals', deploy({ force: true }, { 'mcp-param-force': 'True' }), 400, -32020]
]

const app = await buildApp(t, {
  env: { ALLOWLIST_PATH: allowing(t, 'get_statistics', 'search_records', 'test_deploy') },
  extra: async (fastify) => {
    fastify.tools.add({
      name: 'test_deploy',
      description: 'Mirrors its arguments into headers.',
      effect: 'read',
      input: Type.Object({
        region: Type.Optional(Type.String({ 'x-mcp-header': 'Region' })),
        level: Type.Optional(Type.Integer({ 'x-mcp-header': 'Level' })),
        force: Type.Optional(Type.Boolean({ 'x-mcp-header': 'Force' }))
      }),
      output: Type.Object({}),
      handler: async () => ({})
    })
  }
})
const send = await listening(app)

t.test(`${cases.length} requests are answered with the status and the code that the specification wants`, async (t) => {
  t.equal(new Set(cases.map(([what]) => what)).size, cases.length, 'each case once')
  for (const [what, sent, status, code, data] of cases) {
    const { status: answered, headers, messages } = await send(sent)
    t.equal(answered, status, what)
    if (code === 'none') t.same(messages, [], what)
    else for (const { error } of messages) t.match(error ?? { code: 'ok' }, { code, ...data === undefined ? {} : { data } }, what)
    if (code !== 'none') t.ok(messages.length > 0, what)
    if (status === 405) t.match(headers.allow, /\bPOST\b/, what)
    t.equal(headers['mcp-session-id'], undefined, what)
  }
})
