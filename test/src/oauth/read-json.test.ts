import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { readJson } from '../../../src/oauth/read-json.ts'

async function serving (t: Test, answer: RequestListener): Promise<string> {
  const server = createServer(answer)
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const never = new AbortController().signal

t.test('a document is read, and nothing of ours goes along', async (t) => {
  let headers = {}
  const url = await serving(t, (request, response) => {
    headers = request.headers
    response.end('{"keys":[]}')
  })
  t.same(await readJson(`${url}/jwks`, never), { keys: [] })
  t.match(headers, { accept: 'application/json', authorization: undefined, cookie: undefined })
})

t.test('a redirect is not followed', async (t) => {
  let isAsked = false
  const elsewhere = await serving(t, (_request, response) => {
    isAsked = true
    response.end('{}')
  })
  const url = await serving(t, (_request, response) => { response.writeHead(302, { location: elsewhere }).end() })
  await t.rejects(readJson(url, never), { message: `${url}: status 302` })
  t.equal(isAsked, false)
})

t.test('anything but a small JSON document with status 200 is refused in a few words', async (t) => {
  const big = JSON.stringify({ filler: 'x'.repeat(262_144) })
  const answers: Array<[answer: RequestListener, reason: string]> = [
    [(_request, response) => { response.writeHead(500).end('{"keys":[]}') }, 'status 500'],
    [(_request, response) => { response.writeHead(404).end('no') }, 'status 404'],
    [(_request, response) => { response.end('<html>') }, 'no JSON'],
    [(_request, response) => { response.end() }, 'no JSON'],
    [(_request, response) => { response.end(big) }, 'more than 262144 bytes'],
    [(request) => { request.socket.destroy() }, 'UND_ERR_SOCKET']
  ]
  for (const [answer, reason] of answers) {
    const url = await serving(t, answer)
    await t.rejects(readJson(url, never), { message: `${url}: ${reason}` })
  }
})

t.test('a body without end is cut off', async (t) => {
  const url = await serving(t, (_request, response) => {
    const more = (error?: Error | null): void => { if (error == null) response.write('x'.repeat(65_536), more) }
    response.on('error', () => {})
    more()
  })
  await t.rejects(readJson(url, never), { message: `${url}: more than 262144 bytes` })
})

t.test('a server that says nothing is left when the time is up', async (t) => {
  const late = new AbortController()
  const url = await serving(t, () => { late.abort(new Error('too late')) })
  await t.rejects(readJson(url, late.signal), { message: `${url}: too late` })
  await t.rejects(readJson('http://127.0.0.1:1/jwks', never), { message: /^http:\/\/127\.0\.0\.1:1\/jwks: / })
})
