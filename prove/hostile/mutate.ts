import { bytesOf, type Input } from './input.ts'
import type { Random } from './random.ts'

const words = ['', ' ', '\0', 'a\0b', '\ud800', '\udfff\ud800', 'é', '\u2028', '\u202e', '\x1b[31m', '%', '_', '\\', '\'', '"', '%00', '../../etc/passwd', '{{7*7}}', '\'; select 1; --', '1 or 1=1', '<script>', '\r\nX-Injected: 1', '__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'then', 'toJSON', 'length', 'search_records', 'get_statistics', 'tools/call', 'tools/list', '2026-07-28', '2025-11-25', '2025-03-26', '9'.repeat(400), 'NaN', '1e309', '=?base64?Z2V0X3N0YXRpc3RpY3M=?=', '=?base64?!?=', '(a+)+$', '{'.repeat(300), 'x'.repeat(2000), '\u{1F600}'.repeat(300)]
const numbers = [0, -0, 1, -1, 0.5, 1e-7, 2 ** 31, 2 ** 53, 2 ** 63, -(2 ** 63), 1e21, 1e308, 5e-324, 101, 100]
const keys = ['__proto__', 'constructor', 'toString', 'jsonrpc', 'id', 'method', 'params', 'name', 'arguments', '_meta', 'query', 'limit', 'offset', 'filters', 'status', 'record_id', 'group_by', 'progressToken', 'task', 'cursor', 'inputResponses', 'requestState', 'io.modelcontextprotocol/protocolVersion', 'io.modelcontextprotocol/clientCapabilities', 'io.modelcontextprotocol/clientInfo', 'io.modelcontextprotocol/logLevel', 'traceparent', 'result', 'error', '', '\0', '0', 'x'.repeat(500)]
const tokens = ['{', '}', '[', ']', ',', ':', '"', 'null', 'true', '-', '1e999', '-1e999', '0123', '0x1', 'NaN', 'Infinity', '1E400', '9007199254740993', '1.0', '1e0', '/**/', '\\u0000', '\\ud800', '\\uZZZZ', '\\', '\n', '\t', '\0', '\uFEFF', '"__proto__":{"x":1},', '"constructor":{"prototype":{}},', '"jsonrpc":"2.0",', '"id":2,', '"name":"search_records",', '"method":"tools/list",']
const badBytes = [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x28], [0x00], [0x1f, 0x8b, 0x08], [0x80]]
const headerNames = ['host', 'origin', 'accept', 'content-type', 'content-encoding', 'content-length', 'mcp-protocol-version', 'mcp-method', 'mcp-name', 'mcp-session-id', 'mcp-param-query', 'last-event-id', 'authorization', 'x-api-key', 'cookie', 'x-forwarded-for', 'x-forwarded-host', 'forwarded', 'traceparent', 'baggage', 'x-request-id', '__proto__', 'constructor', 'x-http-method-override', 'accept-encoding', 'range', 'if-none-match']
const headerValues = ['', ' ', '\t', 'x', '*/*', 'application/json', 'APPLICATION/JSON;CHARSET=utf-16', 'application/json; charset', 'application/json;;;', 'text/event-stream', 'text/plain', 'multipart/form-data; boundary=x', ';q=', ','.repeat(500), 'gzip', '0', '-1', '5', '99999999999999999999', '0x10', '2026-07-28', '2026-07-28, 2026-07-28', '2025-03-26', '1999-01-01', 'tools/call', 'search_records', '=?base64?/w==?=', '=?base64??=', '\xe9\xff', 'localhost', 'localhost:8000', 'evil.com', 'http://localhost:8000', 'null', 'Bearer x', 'a=b; '.repeat(300), '00-00000000000000000000000000000000-0000000000000000-00', 'x'.repeat(8000), 'bytes=0-', '(a+)+$']
const verbs = ['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE'] as const

/** A request that differs from the given one in one to four places, by what JSON, MCP and HTTP are made of. */
export function mutate (random: Random, from: Input): Input {
  if (random.oneIn(2)) return mutateArguments(random, from) ?? mutateOnce(random, from)
  let input = from
  for (let times = 1 + random.below(4); times > 0; times--) input = mutateOnce(random, input)
  return input
}

/** Leaves everything else whole, so that the request gets as far as the tool. */
function mutateArguments (random: Random, { headers, body, verb }: Input): Input | undefined {
  const json = structuredClone('json' in body ? body.json : undefined) as { params?: { arguments?: unknown } } | null | undefined
  const given = json?.params?.arguments
  if (json?.params === undefined || given === undefined) return undefined
  const mutated = random.oneIn(2) ? withOtherText(random, given) : mutateJson(random, given)
  json.params.arguments = random.oneIn(4) ? mutateJson(random, mutated) : mutated
  return { verb, headers, body: { json } }
}

/** Still of the declared type, so that it is bound into a statement. */
function withOtherText (random: Random, json: unknown): unknown {
  const copy = structuredClone(json)
  const texts = placesIn(copy).filter(({ holder, key }) => typeof holder[key] === 'string')
  if (texts.length === 0) return mutateJson(random, json)
  const { holder, key } = random.pick(texts)
  holder[key] = random.pick([random.pick(words), `${String(holder[key])}${random.pick(words)}`])
  return copy
}

function mutateOnce (random: Random, input: Input): Input {
  const kind = random.below(20)
  if (kind < 4) return { ...input, headers: mutateHeaders(random, input.headers) }
  if (kind === 4 && random.oneIn(4)) return { ...input, verb: random.pick(verbs) }
  if ('json' in input.body && kind < 14) return { ...input, body: { json: mutateJson(random, input.body.json) } }
  return { ...input, body: { bytes: mutateBytes(random, bytesOf(input)) } }
}

function mutateHeaders (random: Random, headers: Input['headers']): Input['headers'] {
  const at = random.below(headers.length + 1)
  switch (random.below(5)) {
    case 0: return headers.filter((_, index) => index !== at)
    case 1: return headers.map((line, index) => index === at ? [line[0], random.pick(headerValues)] : line)
    case 2: return headers.map((line, index) => index === at ? [line[0], random.pick([line[1].toUpperCase(), ` ${line[1]}\t`, `${line[1]},${line[1]}`, line[1].slice(1), `=?base64?${Buffer.from(line[1]).toString('base64')}?=`])] : line)
    case 3: return random.oneIn(20) ? [...headers, ...Array.from({ length: 200 }, (_, n) => [`x-flood-${n}`, 'y'] as const)] : headers
    default: return [...headers.filter(([name]) => name !== headerNames[at]), [random.pick(headerNames), random.pick(headerValues)]]
  }
}

function mutateJson (random: Random, json: unknown): unknown {
  if (random.oneIn(12)) return random.pick([[json], [json, json], { ...json as object, id: undefined }, Array.from({ length: 3 + random.below(110) }, (_, id) => ({ ...json as object, id })), null, [], [[json]]])
  const copy = structuredClone(json)
  const places = placesIn(copy)
  if (places.length === 0) return hostileValue(random)
  const { holder, key } = random.pick(places)
  const old = holder[key]
  switch (random.below(6)) {
    case 0: delete holder[key]; break
    case 1: define(holder, random.pick(keys), hostileValue(random)); break
    case 2: define(holder, random.pick(keys), old); break
    case 3: holder[key] = typeof old === 'string' ? old + random.pick(words) : [old]; break
    default: holder[key] = hostileValue(random)
  }
  return copy
}

interface Place { holder: Record<string, unknown>, key: string }

function placesIn (json: unknown, found: Place[] = [], depth = 0): Place[] {
  if (typeof json !== 'object' || json === null || depth > 20) return found
  for (const key of Object.keys(json).slice(0, 50)) {
    found.push({ holder: json as Record<string, unknown>, key })
    placesIn((json as Record<string, unknown>)[key], found, depth + 1)
  }
  return found
}

/** An own key, even where it is named __proto__. */
function define (holder: object, key: string, value: unknown): void {
  Object.defineProperty(holder, key, { value, enumerable: true, writable: true, configurable: true })
}

function hostileValue (random: Random): unknown {
  switch (random.below(11)) {
    case 0: return null
    case 1: return random.oneIn(2)
    case 2: case 3: return random.pick(numbers)
    case 4: return []
    case 5: return {}
    case 6: return nested(random.pick([5, 60, 63, 64, 65, 70, 500]), random.oneIn(2))
    case 7: return random.oneIn(8) ? big(random) : random.pick(words)
    case 8: return Object.fromEntries(Array.from({ length: 1 + random.below(30) }, () => [random.pick(keys), random.pick(words)]))
    default: return random.pick(words)
  }
}

function nested (depth: number, asArray: boolean): unknown {
  let value: unknown = 1
  for (let level = 0; level < depth; level++) value = asArray ? [value] : { a: value }
  return value
}

/** Rare, since each costs as much as a hundred others. */
function big (random: Random): unknown {
  switch (random.below(5)) {
    case 0: return 'x'.repeat(1_000_000)
    case 1: return '\u2028'.repeat(100_000)
    case 2: return Array.from({ length: 50_000 }, (_, n) => n)
    case 3: return Object.fromEntries(Array.from({ length: 20_000 }, (_, n) => [`k${n}`, n]))
    default: return '\ud800'.repeat(50_000)
  }
}

function mutateBytes (random: Random, bytes: Buffer): Buffer {
  const at = random.below(bytes.length + 1)
  const insert = (piece: Buffer): Buffer => Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at)])
  switch (random.below(9)) {
    case 0: return bytes.subarray(0, at)
    case 1: return bytes.subarray(at)
    case 2: return insert(Buffer.from(random.pick(badBytes)))
    case 3: return Buffer.concat([bytes.subarray(0, at), bytes.subarray(Math.min(bytes.length, at + 1 + random.below(8)))])
    case 4: {
      const copy = Buffer.from(bytes)
      if (at < copy.length) copy[at] = copy[at] as number ^ 1 << random.below(8)
      return copy
    }
    case 5: return Buffer.concat([bytes, bytes])
    case 6: return random.oneIn(50) ? Buffer.from('[{"a":'.repeat(100_000)) : insert(Buffer.from(random.pick(tokens).repeat(1 + random.below(3))))
    case 7: return afterBrace(random, bytes)
    default: return insert(Buffer.from(random.pick(tokens)))
  }
}

/** A key twice, or one that should not be there, in front of the others of some object. */
function afterBrace (random: Random, bytes: Buffer): Buffer {
  const braces = [...bytes.subarray(0, 5000).entries()].filter(([, byte]) => byte === 0x7b)
  if (braces.length === 0) return bytes
  const at = random.pick(braces)[0] + 1
  return Buffer.concat([bytes.subarray(0, at), Buffer.from(`${JSON.stringify(random.pick(keys))}:${random.pick(['null', '1', '"x"', '{}', '[]', '{"__proto__":1}'])}${random.oneIn(10) ? '' : ','}`), bytes.subarray(at)])
}
