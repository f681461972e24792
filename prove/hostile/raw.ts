import { connect } from 'node:net'
import { leakIn } from './oracle.ts'
import type { Random } from './random.ts'

/** What is written to a connection, and how it ends: half-closed, as a polite client does, or reset. */
export interface Conversation { bytes: Buffer, ending: 'end' | 'destroy' }

const hangMs = 20_000
const statuses = new Set([100, 200, 202, 400, 403, 404, 405, 406, 408, 413, 415, 417, 431])

const json = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search_records","arguments":{"query":"Sample"}}}'
const head = (lines: string[], start = 'POST /mcp HTTP/1.1'): string => [start, ...lines, '', ''].join('\r\n')
const usual = ['Host: localhost', 'Content-Type: application/json', 'Accept: application/json, text/event-stream']
const chunk = (text: string): string => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`
const exact = `Content-Length: ${json.length}`

/** Requests that HTTP parsers have been seen to disagree about, and some that never become one. */
const conversations: Array<(random: Random) => string> = [
  () => head([...usual, exact]) + json,
  () => head([...usual, exact]) + json + head([...usual, exact]) + json,
  (random) => head([...usual, `Content-Length: ${random.below(json.length * 2)}`]) + json,
  (random) => head([...usual, `Content-Length: ${random.pick(['-1', '+5', '0x10', '1e3', ' ', '5, 5', '99999999999999999999', '5 5', '٥'])}`]) + json,
  () => head([...usual, exact, 'Content-Length: 5']) + json,
  () => head([...usual, exact, 'Transfer-Encoding: chunked']) + chunk(json) + chunk(''),
  () => head([...usual, 'Transfer-Encoding: chunked']) + chunk(json.slice(0, 20)) + chunk(json.slice(20)) + chunk(''),
  (random) => head([...usual, 'Transfer-Encoding: chunked']) + random.pick(['zz\r\n', '-5\r\nabc\r\n', 'ffffffffffffffff1\r\n', `5;${'x'.repeat(20_000)}\r\nabcde\r\n0\r\n\r\n`, '5\nabcde\n0\n\n', `${chunk('{}')}0\r\nX-Trailer: ${'y'.repeat(20_000)}\r\n\r\n`, '5\r\nabcdefgh\r\n']),
  (random) => head([...usual, `Transfer-Encoding: ${random.pick(['gzip', 'chunked, chunked', 'identity', 'xchunked', ' chunked', 'chunked\tx', 'CHUNKED'])}`]) + chunk(json) + chunk(''),
  () => head([...usual, 'Expect: 100-continue', exact]) + json,
  (random) => head([...usual, `Expect: ${random.pick(['200-ok', 'x'.repeat(200), ''])}`, exact]) + json,
  (random) => head([...usual, ...Array.from({ length: 50 + random.below(3000) }, (_, n) => `X-${n}: y`), exact]) + json,
  (random) => head([...usual, `X: ${'y'.repeat(random.below(40_000))}`, exact]) + json,
  (random) => head([...usual, random.pick(['Bad Name: x', 'X\0: y', 'X: a\0b', ': empty', 'NoColon', ' folded', 'X: a\r\n b', 'X: a\rb', 'X : y', 'é: y', 'X: é']), exact]) + json,
  (random) => head([random.pick(['', 'Host:', 'Host: localhost\r\nHost: evil.com', 'Host: evil.com', 'Host: localhost, evil.com', 'Host: [::1', 'Host: localhost:99999']), 'Content-Type: application/json', exact]) + json,
  (random) => head([...usual, exact], random.pick(['POST /mcp HTTP/1.0', 'POST /mcp HTTP/2.0', 'POST /mcp HTTP/9.9', 'POST /mcp', 'POST  /mcp HTTP/1.1', 'post /mcp HTTP/1.1', 'POST http://localhost/mcp HTTP/1.1', 'POST //evil.com/mcp HTTP/1.1', 'POST /mcp?x=%00 HTTP/1.1', 'POST /%6dcp HTTP/1.1', 'POST /mcp/../mcp HTTP/1.1', `POST /mcp?${'x'.repeat(20_000)} HTTP/1.1`, 'POST /%ff%fe HTTP/1.1', 'POST /% HTTP/1.1', 'POST * HTTP/1.1'])) + json,
  (random) => head([...usual, exact], `${random.pick(['TRACE', 'CONNECT', 'OPTIONS', 'HEAD', 'PUT', 'PROPFIND', 'QUERY', 'M-SEARCH', 'BREW'])} /mcp HTTP/1.1`) + json,
  (random) => head([...usual, 'Connection: Upgrade', `Upgrade: ${random.pick(['h2c', 'websocket', 'x'])}`, exact]) + json,
  () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0',
  () => '\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03',
  (random) => random.pick(['\r\n\r\n\r\n', '\0'.repeat(1000), 'GET', '{"jsonrpc":"2.0"}', '\xff'.repeat(5000), 'x'.repeat(100_000)])
]

/** Some of the above as they are, some cut off, some with a byte changed. */
export function converse (random: Random): Conversation {
  let bytes = Buffer.from(random.pick(conversations)(random), 'latin1')
  if (random.oneIn(4)) bytes = bytes.subarray(0, random.below(bytes.length + 1))
  else if (random.oneIn(4) && bytes.length > 0) bytes[random.below(bytes.length)] = random.below(256)
  return { bytes, ending: random.oneIn(5) ? 'destroy' : 'end' }
}

/** Has one conversation; what is wrong with the answer, or undefined. */
export async function faultInConversation (port: number, { bytes, ending }: Conversation): Promise<string | undefined> {
  const text = await new Promise<string | undefined>((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' })
    let received = ''
    const timer = setTimeout(() => { socket.destroy(); resolve(undefined) }, hangMs)
    socket.setEncoding('latin1')
      .on('data', (part: string) => { received += part })
      .on('error', () => {}) // a reset is an answer too
      .on('close', () => { clearTimeout(timer); resolve(received) })
      .on('connect', () => {
        if (ending === 'end') socket.end(bytes)
        else socket.write(bytes, () => { socket.destroy() })
      })
  })
  if (text === undefined) return `still open after ${hangMs} ms`
  const odd = [...text.matchAll(/^HTTP\/1\.1 (\d{3})/gm)].find(([, status]) => !statuses.has(Number(status)))
  return odd === undefined ? leakIn(text) : `status ${odd[1]}`
}
