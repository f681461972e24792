import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, readFileSync, symlinkSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { allowing } from '../helpers/allowlist.ts'
import { faultProxy } from '../helpers/fault-proxy.ts'
import { readMessages, rpcRequest } from '../helpers/mcp-client.ts'
import { migratedDatabase } from '../helpers/postgres.ts'
import { buildServer, startedServer, workingDirectory, type ServerProcess, type StartOptions } from '../helpers/server-process.ts'
import { addTool } from '../helpers/transpile.ts'

const out = buildServer(t)
addTool(out, 'test/fixtures/tools/slow-count.ts')
const url = await migratedDatabase(t)
const success = { code: 0, signal: null }
const whyNoNamespace = process.getuid?.() === 0 && spawnSync('unshare', ['--pid', '--fork', '--mount-proc', 'true']).status === 0 ? false : 'leg not run: a process with id 1 takes root and unshare'

const started = async (t: Test, env: Record<string, string> = {}, options: Partial<StartOptions> = {}): Promise<ServerProcess> =>
  await startedServer(t, out, { cwd: workingDirectory(t), ...options, env: { DATABASE_URL: url, ALLOWLIST_PATH: allowing(t, 'slow_count', 'get_pool_status'), ...env } })

async function ask (server: ServerProcess, method: string, params: Record<string, unknown>): Promise<{ status: number, connection: string | null, message: ReturnType<typeof readMessages>[number] | undefined }> {
  const { headers: { host: _host, ...headers }, body } = rpcRequest(method, params)
  const response = await fetch(`${server.url}/mcp`, { method: 'POST', headers, body: JSON.stringify(body) })
  return { status: response.status, connection: response.headers.get('connection'), message: readMessages(await response.text()).at(-1) }
}

/** A call that is under way, and its answer to come. */
async function slowCall (server: ServerProcess, stepMs: number): Promise<{ answer: ReturnType<typeof ask> }> {
  const answer = ask(server, 'tools/call', { name: 'slow_count', arguments: { to: 1, step_ms: stepMs } })
  answer.catch(() => {})
  await server.untilLog(({ msg }) => msg === 'counting')
  return { answer }
}

async function dial (t: Test, server: ServerProcess, text: string): Promise<Socket> {
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
  t.teardown(() => { socket.destroy() })
  await once(socket.on('error', () => {}), 'connect')
  if (text !== '') socket.write(text)
  return socket
}

t.test('after SIGTERM it is not ready, answers for a while, then stops listening', async (t) => {
  const server = await started(t, { SHUTDOWN_DELAY_MS: '3000' })
  server.child.kill('SIGTERM')
  await server.untilLog(({ delayMs }) => delayMs === 3000)

  const ready = await fetch(`${server.url}/readyz`)
  t.equal(ready.status, 503)
  t.same(await ready.json(), { status: 'unready', reason: 'shutting down' })
  t.equal((await fetch(`${server.url}/livez`)).status, 200)
  t.match(await ask(server, 'tools/call', { name: 'get_pool_status', arguments: {} }), { status: 200, connection: 'close', message: { result: { structuredContent: { server: 'healthy' } } } })

  await server.untilLog(({ msg }) => msg === 'stopping: no new connections, calls in flight may finish')
  await t.rejects(fetch(`${server.url}/livez`), 'nobody listens')
  t.same(await server.exit, success)
})

t.test('a call that never ends is told, and the process ends well', async (t) => {
  const server = await started(t, { SHUTDOWN_GRACE_MS: '3000' })
  const { answer } = await slowCall(server, 600_000)
  server.child.kill('SIGTERM')
  t.match(await answer, { status: 200, connection: 'close', message: { result: { isError: true, _meta: { 'io.portcullis/outcome': 'unavailable' } } } })
  t.same(await server.exit, success)
})

t.test('clients that say nothing, stop in the middle, or do not read, do not keep it', async (t) => {
  const server = await started(t, { SHUTDOWN_GRACE_MS: '3000' })
  const { headers, body } = rpcRequest('subscriptions/listen', { notifications: { toolsListChanged: true } })
  const text = JSON.stringify(body)
  const head = (length: number): string => `POST /mcp HTTP/1.1\r\n${Object.entries({ ...headers, 'content-length': length }).map((pair) => pair.join(': ')).join('\r\n')}\r\n\r\n`
  for (const started of ['', 'GET /livez HT', head(100) + '{', head(text.length) + text, 'GET /livez HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(10_000)]) await dial(t, server, started)
  await ask(server, 'tools/list', {})
  server.child.kill('SIGTERM')
  t.same(await server.exit, success)
  t.match(server.logs().at(-1), { msg: 'stopped' })
})

t.test('a database that went silent does not keep it', async (t) => {
  const database = await faultProxy(t, url)
  const server = await started(t, { DATABASE_URL: database.url, SHUTDOWN_GRACE_MS: '3000' })
  database.blackhole()
  server.child.kill('SIGTERM')
  t.same(await server.exit, success)
})

t.test('another signal ends it at once', async (t) => {
  const server = await started(t)
  const { answer } = await slowCall(server, 600_000)
  server.child.kill('SIGTERM')
  await server.untilLog(({ msg }) => /^stopping/.test(String(msg)))
  server.child.kill('SIGINT')
  t.same(await server.exit, { code: 1, signal: null })
  await t.rejects(answer)
})

t.test('as process 1 it stops like anywhere else', { skip: whyNoNamespace }, async (t) => {
  const server = await started(t, {}, { command: (usual) => ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child', ...usual] })
  const { answer } = await slowCall(server, 1_000)
  const pid = server.child.pid as number
  const inside = Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8'))
  t.match(readFileSync(`/proc/${inside}/status`, 'utf8'), /^NSpid:.*\t1$/m)
  process.kill(inside, 'SIGTERM')
  t.match(await answer, { status: 200, message: { result: { structuredContent: { counted: 1 } } } })
  t.same(await server.exit, success)
})

t.test('Ctrl-C under npm, which reaches every process of the terminal, lets the call finish', async (t) => {
  const cwd = workingDirectory(t)
  symlinkSync(out, join(cwd, 'dist'))
  copyFileSync('fastify.config.cjs', join(cwd, 'fastify.config.cjs'))
  const server = await started(t, {}, { cwd, command: () => ['env', '-u', 'NODE_OPTIONS', 'npm', 'run', '-s', 'serve'] })
  const { answer } = await slowCall(server, 1_000)
  process.kill(-(server.child.pid as number), 'SIGINT')
  t.match(await answer, { status: 200, message: { result: { structuredContent: { counted: 1 } } } })
  t.same(await server.exit, success)
  t.match(server.logs().at(-1), { msg: 'stopped' })
})
