import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { createServer as createHttpServer } from 'node:http'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { buildServer, freePort } from '../helpers/server-process.ts'

const program = join(buildServer(t), 'src/healthcheck.js')

async function check (env: Record<string, string>): Promise<{ code: number, said: string }> {
  const child = spawn(process.execPath, [program], { env: { NODE_V8_COVERAGE: process.env.COVERAGE_FOLDER, ...env } })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => { said += text })
  const [code] = await once(child, 'close')
  return { code, said }
}

async function answering (t: Test, status: number, host = '127.0.0.1'): Promise<{ port: string, asked: string[] }> {
  const asked: string[] = []
  const server = createHttpServer((request, response) => {
    asked.push(request.url ?? '')
    response.writeHead(status).end()
  }).listen(0, host)
  t.teardown(() => { server.close() })
  await once(server, 'listening')
  return { port: String((server.address() as AddressInfo).port), asked }
}

t.test('a server that lives is healthy, whatever address it listens on', async (t) => {
  const { port, asked } = await answering(t, 200)
  for (const HOST of ['127.0.0.1', '0.0.0.0', 'localhost']) t.match(await check({ HOST, PORT: port }), { code: 0, said: /^http:\/\/(127\.0\.0\.1|localhost):\d+\/livez answers 200\n$/ }, HOST)
  t.same(asked, ['/livez', '/livez', '/livez'])

  const six = await answering(t, 200, '::1')
  for (const HOST of ['::', '::1']) t.match(await check({ HOST, PORT: six.port }), { code: 0, said: /^http:\/\/\[::1\]/ }, HOST)
})

t.test('one that refuses, is away, or does not answer is not, and it says why', async (t) => {
  t.match(await check({ PORT: (await answering(t, 503)).port }), { code: 1, said: /^not healthy: http:\/\/127\.0\.0\.1:\d+\/livez answers 503\n$/ })
  t.match(await check({ PORT: String(await freePort()) }), { code: 1, said: /^not healthy: .* can't be reached \(ECONNREFUSED\)\n$/ })
  t.match(await check({ PORT: '6000' }), { said: /127\.0\.0\.1:6000/ }, 'a port that browsers refuse is asked')
  t.match(await check({ PORT: 'many' }), { code: 1, said: /^not healthy: PORT must be a whole number/ })

  const silent = createServer().listen(0, '127.0.0.1')
  t.teardown(() => { silent.close() })
  await once(silent, 'listening')
  t.match(await check({ PORT: String((silent.address() as AddressInfo).port) }), { code: 1, said: /^not healthy: http:.* does not answer\n$/ })
})
