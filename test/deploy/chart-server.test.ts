import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, get, type IncomingMessage, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { only, scenarioObjects, whyNoHelm } from '../helpers/chart.ts'
import { serverOf } from '../helpers/chart-rules/objects.ts'
import { wholeEnv } from '../helpers/chart-rules/server.ts'
import { emptyDatabase, runSql, serverUrl } from '../helpers/postgres.ts'
import { buildServer, freePort, startedServer, workingDirectory, type ServerProcess } from '../helpers/server-process.ts'

// What stands in for a cluster: the server as built, started with the settings that the chart renders, migrated by the
// command of its Job, and asked by the scripts of its test pods.
const objects = whyNoHelm ? [] : scenarioObjects('default')
const script = (name: string): string => only(objects, 'Pod', `portcullis-${name}`).spec.containers[0].args[0]
const names = ['test-health', 'test-mcp', 'test-denied']

/** The server of the default scenario. What a container has to itself (ports, paths) is replaced. */
async function startRendered (t: Test): Promise<{ server: ServerProcess, key: string, metrics: number, owner: string }> {
  const out = buildServer(t)
  const owner = await emptyDatabase(t)
  migrate(out, owner)
  const { PORT: _port, NODE_OPTIONS: _options, ...env } = wholeEnv(objects) // Node 20 knows no percentage of the heap
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-rendered-'))
  t.teardown(() => { rmSync(folder, { recursive: true }) })
  writeFileSync(join(folder, 'allowlist.yaml'), only(objects, 'ConfigMap', 'portcullis-allowlist').data?.['allowlist.yaml'] ?? '')
  const metrics = await freePort()
  const server = await startedServer(t, out, {
    cwd: workingDirectory(t),
    env: { ...env, DATABASE_URL: serverUrl(owner), ALLOWLIST_PATH: join(folder, 'allowlist.yaml'), OTEL_EXPORTER_PROMETHEUS_PORT: String(metrics), ALLOWED_HOSTS: `${env.ALLOWED_HOSTS},127.0.0.1` }
  })
  return { server, key: env.API_KEY as string, metrics, owner }
}

/** Runs the Job's command in a checkout that has never seen the database. */
function migrate (out: string, owner: string): void {
  const { command, env } = only(objects, 'Job').spec.template.spec.containers[0]
  const literal = Object.fromEntries(env.filter(({ value }: any) => value !== undefined).map(({ name, value }: any) => [name, value]))
  const [, file, ...args] = command
  const { status, stdout, stderr } = spawnSync(process.execPath, [file.replace('dist', out), ...args], { encoding: 'utf8', env: { PATH: process.env.PATH, ...literal, MIGRATION_DATABASE_URL: owner, DATABASE_URL: serverUrl(owner) } })
  if (status !== 0) throw new Error(stdout + stderr)
}

async function runPod (name: string, url: string, key: string): Promise<{ code: number, output: string }> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', script(name)], { env: { URL: url, API_KEY: key }, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => { output += text })
  const [code] = await once(child, 'close')
  return { code, output }
}

async function statusFor (url: string, host: string): Promise<number | undefined> {
  const [answer] = await once(get(`${url}/mcp`, { headers: { host } }), 'response') as [IncomingMessage]
  answer.resume()
  return answer.statusCode
}

t.test('the server boots with what the chart renders, and the test pods find it well', { skip: whyNoHelm }, async (t) => {
  const { server, key, metrics, owner } = await startRendered(t)
  for (const name of names) {
    const { code, output } = await runPod(name, server.url, key)
    t.equal(code, 0, `${name}: ${output}`)
  }
  const [connected] = await runSql(owner, 'select distinct usename from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()')
  t.same(connected?.rows, [{ usename: new URL(serverUrl(owner)).username }], 'as the role that reads, and no other')
  t.equal((await runPod('test-mcp', server.url, 'not-the-key-of-the-server')).code, 1, 'a wrong key in the Secret is found')
  for (const host of ['portcullis.mcp-system.svc:8000', 'portcullis']) t.not(await statusFor(server.url, host), 403, host)
  t.equal(await statusFor(server.url, 'portcullis.other.svc'), 403, 'another name is foreign')

  await fetch(`${server.url}/mcp`, { method: 'POST', headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` }, body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'get_pool_status', arguments: {} } }) })
  const page = await (await fetch(`http://127.0.0.1:${metrics}/metrics`)).text()
  t.match(page, 'mcp_tool_calls_total', 'the port that monitors scrape has metrics')
  for (const path of ['startupProbe', 'livenessProbe', 'readinessProbe'].map((probe) => serverOf(objects).container[probe].httpGet.path)) t.equal((await fetch(server.url + path)).status, 200, path)
})

t.test('the test pods find what is not well', { skip: whyNoHelm }, async (t) => {
  const open = await listen(t, (_request, response) => response.end('{"result":{}}'))
  t.equal((await runPod('test-denied', open, 'k')).code, 1, 'a server that asks for no key')
  t.equal((await runPod('test-mcp', open, 'k')).code, 1, 'a server that answers something else')
  const unready = await listen(t, ({ url }, response) => response.writeHead(url === '/readyz' ? 503 : 200).end())
  t.equal((await runPod('test-health', unready, 'k')).code, 1, 'a server without its database')
})

async function listen (t: Test, answer: RequestListener): Promise<string> {
  const server = createServer(answer).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.close() })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

t.test('the Job prepares the role of the server', { skip: whyNoHelm }, async (t) => {
  const owner = await emptyDatabase(t)
  const role = new URL(serverUrl(owner)).username
  await runSql(owner, `alter role ${role} in database ${new URL(owner).pathname.slice(1)} reset all`)
  migrate(buildServer(t), owner)
  const [settings] = await runSql(serverUrl(owner), 'show default_transaction_read_only')
  t.same(settings?.rows, [{ default_transaction_read_only: 'on' }])
})
