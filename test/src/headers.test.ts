import type { IncomingMessage } from 'node:http'
import t from 'tap'
import { headerValues } from '../../src/headers.ts'

const request = (...rawHeaders: string[]): IncomingMessage => ({ rawHeaders }) as IncomingMessage

t.test('a header that was not sent has no values', async (t) => {
  t.same(headerValues(request(), 'host'), [])
  t.same(headerValues(request('Accept', '*/*'), 'host'), [])
})

t.test('a header is found in whatever case it was sent', async (t) => {
  for (const name of ['host', 'Host', 'HOST', 'hOsT']) t.same(headerValues(request(name, 'localhost'), 'host'), ['localhost'], name)
})

t.test('every value comes back, in the order and exactly as sent', async (t) => {
  const sent = request('Host', 'a', 'Accept', '*/*', 'HOST', 'b', 'host', '', 'Host', ' a, b ')

  t.same(headerValues(sent, 'host'), ['a', 'b', '', ' a, b '])
})

t.test('a value that spells the name is no header, nor is a longer name', async (t) => {
  t.same(headerValues(request('X-Name', 'host', 'host', 'real', 'X-Host', 'no', 'Hostname', 'no'), 'host'), ['real'])
})
