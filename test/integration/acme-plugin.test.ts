import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, constants, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { setImmediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { allowing } from '../helpers/allowlist.ts'
import { readMessages, rpcRequest, type Era, type RpcMessage } from '../helpers/mcp-client.ts'
import { install, npm, packExample, projectWith, serverCheckout } from '../helpers/packages.ts'
import { emptyDatabase, migratedDatabase } from '../helpers/postgres.ts'
import { freePort, startedServer, startServer, type ServerProcess } from '../helpers/server-process.ts'

// A package that nobody here wrote: packed, installed into a server of its own, and governed like our own tools.
t.setTimeout(600_000)

const eras: Era[] = ['modern', 'legacy']
const key = 'q7Wm2vX9pL4zR8tB6nC3'
const withKey = { 'x-api-key': key }
const oslo = { station: 'Oslo', celsius: -3.5, measured_at: '2026-01-15T06:00:00Z', keeper: 'a name that no schema declares' }
const stations = [oslo, { ...oslo, station: 'Nowhere', measured_at: 'a time that no database reads' }]

const [importLine, registerLine] = [...readFileSync('docs/add-a-plugin.md', 'utf8').matchAll(/```ts\n(.*weather.*)\n```/g)].map(([, line]) => line as string)
const checkout = serverCheckout(t, (folder) => {
  const app = readFileSync(join(folder, 'src/app.ts'), 'utf8')
  writeFileSync(join(folder, 'src/app.ts'), `${importLine}\n${app.replace(/^ *\/\/ plugins of packages.*$/m, registerLine as string)}`)
})
const packedServer = join(checkout, npm(checkout, 'run', '-s', 'package').trim().split('\n').at(-1) as string)
const packedPlugin = packExample(t, 'examples/acme-plugin', packedServer)
install(t, '@acme/portcullis-weather', packedPlugin, checkout)

const readings = join(checkout, 'readings.json')
const url = await migratedDatabase(t)
const start = { cwd: checkout, env: { DATABASE_URL: url, API_KEY: key, DB_POOL_MIN: '1' }, args: (out: string) => ['-c', join(checkout, 'fastify.config.cjs'), join(out, 'src/app.js')] }
const out = join(checkout, 'dist')
writeFileSync(readings, JSON.stringify(stations))

const [server, withoutTool] = await Promise.all([allowing(t, 'get_weather', 'get_statistics'), allowing(t, 'get_statistics')].map(async (path) =>
  await startedServer(t, out, { ...start, env: { ...start.env, ALLOWLIST_PATH: path } }))) as [ServerProcess, ServerProcess]

interface Answered { status: number, text: string, message: RpcMessage }

async function ask ({ url }: ServerProcess, method: string, params: Record<string, unknown>, { era = 'modern', headers = withKey, signal }: { era?: Era, headers?: Record<string, string>, signal?: AbortSignal } = {}): Promise<Answered> {
  const request = rpcRequest(method, params, { era })
  const { host, ...sent } = request.headers
  const response = await fetch(`${url}/mcp`, { method: 'POST', headers: { ...sent, ...headers }, body: JSON.stringify(request.body), signal })
  const text = await response.text()
  return { status: response.status, text, message: readMessages(text).at(-1) as RpcMessage }
}

async function call (of: ServerProcess, args: unknown, options: Parameters<typeof ask>[3] & { name?: string } = {}): Promise<Answered> {
  return await ask(of, 'tools/call', { name: options.name ?? 'get_weather', arguments: args }, options)
}

const attempts = (of: ServerProcess): Array<Record<string, unknown>> => of.logs().filter(({ msg, tool }) => msg === 'tool call' && tool === 'get_weather')

/** Makes the file keep its reader waiting until the test ends; tells when somebody reads. */
function unreadable (t: Test): () => Promise<void> {
  rmSync(readings)
  execFileSync('mkfifo', [readings])
  let writer: number | undefined
  t.teardown(() => {
    if (writer !== undefined) closeSync(writer) // lets go whoever waits
    rmSync(readings)
    writeFileSync(readings, JSON.stringify(stations))
  })
  return async () => {
    while (writer === undefined) {
      try {
        writer = openSync(readings, constants.O_WRONLY | constants.O_NONBLOCK)
      } catch {
        await setImmediate() // nobody reads yet
      }
    }
  }
}

for (const era of eras) {
  t.test(`authentication: without a key its tool neither lists nor runs (${era})`, async (t) => {
    for (const headers of [{}, { 'x-api-key': 'x'.repeat(20) }] as Array<Record<string, string>>) {
      t.equal((await ask(server, 'tools/list', {}, { era, headers })).status, 401)
      t.equal((await call(server, { station: 'Oslo' }, { era, headers })).status, 401)
    }
  })

  t.test(`allowlist: a tool that is not on it is not listed and answers like one that does not exist (${era})`, async (t) => {
    const { message } = await ask(withoutTool, 'tools/list', {}, { era })
    t.same(message.result.tools.map(({ name }: { name: string }) => name), ['get_pool_status', 'get_statistics'])

    const denied = await call(withoutTool, { station: 'Oslo' }, { era })
    const unknown = await call(withoutTool, { station: 'Oslo' }, { era, name: 'get_waether' })
    t.equal(denied.message.error?.code, -32602)
    t.equal(denied.text, unknown.text.replaceAll('get_waether', 'get_weather'))
    t.equal(denied.status, unknown.status)
  })

  t.test(`on the allowlist it is listed and works; fields that it did not declare stay inside (${era})`, async (t) => {
    const { message } = await ask(server, 'tools/list', {}, { era })
    t.match(message.result.tools.find(({ name }: { name: string }) => name === 'get_weather'), { inputSchema: { additionalProperties: false }, annotations: { readOnlyHint: true } })

    const { text, message: { result } } = await call(server, { station: 'Oslo' }, { era })
    t.same(Object.keys(result.structuredContent), ['station', 'celsius', 'age_seconds'])
    t.match(result.structuredContent, { station: 'Oslo', celsius: -3.5 })
    t.ok(result.structuredContent.age_seconds > 0, 'its statement ran')
    t.notMatch(text, /keeper|no schema/)
  })

  t.test(`input is validated before the handler; its ToolError speaks, any other error does not (${era})`, async (t) => {
    const textOf = async (args: unknown): Promise<string> => {
      const { message: { result } } = await call(server, args, { era })
      t.equal(result.isError, true)
      return result.content[0].text
    }
    t.equal(await textOf({}), 'station is required')
    t.equal(await textOf({ station: 'Oslo', country: 'NO' }), 'arguments has no "country"; allowed: station')
    t.equal(await textOf({ station: 'Atlantis' }), 'There is no station "Atlantis"')
    t.match(await textOf({ station: 'Nowhere' }), /^The tool failed\. Quote call [0-9a-f-]{36} to whoever runs this server\.$/, 'the database refused its statement')
  })
}

t.test('call log: each attempt is in it, with its outcome and without arguments', async (t) => {
  const expected = eras.flatMap(() => ['ok', 'invalid', 'invalid', 'tool_error', 'error'])
  await server.untilLog(() => attempts(server).length >= expected.length) // answers may arrive before log lines
  t.same(attempts(server).map(({ outcome }) => outcome), expected)
  t.match(attempts(server)[0], { principal: 'default', call: /^[0-9a-f-]{36}$/, durationMs: Number })
  t.notMatch(server.output(), /Atlantis|Oslo|NO"|no database reads/)
  const refusals = (): unknown[] => withoutTool.logs().filter(({ msg }) => msg === 'tool call').map(({ outcome, tool }) => [outcome, tool])
  await withoutTool.untilLog(() => refusals().length >= 2 * eras.length)
  t.same(refusals(), eras.flatMap(() => [['denied', 'get_weather'], ['unknown', '_OTHER']]))
})

t.test('deadline: its own limit ends a call that waits for something else', async (t) => {
  const isRead = unreadable(t)
  const answer = call(server, { station: 'Oslo' })
  await isRead()
  const { message } = await answer
  t.match(message.result, { isError: true, content: [{ text: /took longer than it may/ }], _meta: { 'io.portcullis/outcome': 'timeout' } })
})

t.test('limits: its calls draw on the caller\'s rate, and are limited like our own', async (t) => {
  const limited = await startedServer(t, out, { ...start, env: { ...start.env, ALLOWLIST_PATH: allowing(t, 'get_weather'), RATE_LIMIT_PER_MINUTE: '1' } })
  t.notOk((await call(limited, { station: 'Oslo' })).message.result.isError)
  t.match((await call(limited, { station: 'Oslo' })).message.result, { isError: true, content: [{ text: /^Too many calls of get_weather\. Try again in \d+ s\.$/ }] })
})

t.test('abort: a client that leaves ends its call', async (t) => {
  const isRead = unreadable(t)
  const leaving = new AbortController()
  const answer = call(server, { station: 'Oslo' }, { signal: leaving.signal })
  await isRead()
  leaving.abort()
  await t.rejects(answer, { name: 'AbortError' })
  t.match(await server.untilLog(({ tool, outcome }) => tool === 'get_weather' && outcome === 'cancelled'), { level: 30 })
})

t.test('hooks: its own run on its routes alone, and ours do not run there', async (t) => {
  const get = async (path: string, headers = {}): Promise<Response> => await fetch(server.url + path, { headers: { origin: 'https://evil.example', ...headers } })

  const own = await get('/acme/stations')
  t.equal(own.status, 200, 'without a key, from a page that /mcp would refuse')
  t.equal(own.headers.get('x-acme'), 'weather')
  t.same(await own.json(), ['Oslo', 'Nowhere'])
  t.equal((await get('/mcp', withKey)).status, 403)
  for (const path of ['/livez', '/readyz', '/health', '/mcp', '/nope']) t.equal((await get(path)).headers.get('x-acme'), null, path)
})

t.test('a route of its own that asks for authentication gets it', async (t) => {
  const get = async (headers = {}): Promise<Response> => await fetch(`${server.url}/acme/readings`, { headers })

  const refused = await get()
  t.equal(refused.status, 401)
  t.equal(refused.headers.get('www-authenticate'), 'Bearer realm="mcp"')
  t.match(await refused.json(), { error: /^Send a valid API key/ })
  t.equal((await get(withKey)).status, 200)
})

t.test('types: the packed declarations let no mistake of an author through', async (t) => {
  const author = dirname(packedPlugin)
  writeFileSync(join(author, 'src/mistakes.ts'), `
    import type { FastifyInstance } from 'fastify'
    import type { Tool } from 'portcullis'
    import { Type } from 'typebox'
    export function mistakes ({ config, tools }: FastifyInstance): Tool[] {
      const base = { name: 'x', description: 'x', effect: 'read' as const, input: Type.Object({ a: Type.String() }), output: Type.Object({ b: Type.String() }) }
      tools.add({ ...base, handler: async ({ a }) => ({ b: a }) })
      // @ts-expect-error no such argument
      tools.add({ ...base, handler: async ({ b }) => ({ b }) })
      // @ts-expect-error wrong result
      tools.add({ ...base, handler: async () => ({ b: 1 }) })
      // @ts-expect-error a statement is made by the sql tag alone
      tools.add({ ...base, handler: async (_args, { db }) => ({ b: await db.value<string>('select 1') ?? '' }) })
      // @ts-expect-error no such code
      new tools.ToolError('gone', 'x')
      // @ts-expect-error a number
      config.PORT.trim()
      return tools.list()
    }`)
  const { status, stdout } = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '--noEmit'], { cwd: author, encoding: 'utf8' })
  t.equal(stdout, '')
  t.equal(status, 0)
})

t.test('a second tool of that name stops the boot with a sentence', async (t) => {
  const file = join(checkout, 'dist/tools/get-weather.js')
  t.teardown(() => { rmSync(file) })
  writeFileSync(file, 'export default async (fastify) => { fastify.tools.add({ name: \'get_weather\' }) }')
  const refused = await startServer(t, out, start)
  t.equal((await refused.exit).code, 1)
  t.match(refused.output(), /tool \\?"get_weather\\?" is registered twice; rename one of the two/)
})

t.test('a route of its own that fails tells nothing', async (t) => {
  rmSync(readings)
  t.teardown(() => { writeFileSync(readings, JSON.stringify(stations)) })
  const failed = await fetch(`${server.url}/acme/stations`)
  t.equal(failed.status, 500)
  t.same(await failed.json(), { error: 'Internal error' })
  t.match(await server.untilLog(({ msg }) => msg === 'request failed'), { err: { code: 'ENOENT' } })
})

t.test('examples/embed.js serves in a project that installed the server, with its migrations and policy', async (t) => {
  const project = projectWith(t, packedServer)
  const port = await freePort()
  writeFileSync(join(project, 'embed.js'), readFileSync('examples/embed.js', 'utf8').replace('3000', String(port)))
  const child = spawn(process.execPath, ['embed.js'], { cwd: project, env: { PATH: process.env.PATH, DATABASE_URL: await emptyDatabase(t), ALLOWLIST_PATH: allowing(t, 'get_statistics') }, stdio: ['ignore', 'pipe', 'inherit'] })
  const exit = once(child, 'exit')
  t.teardown(async () => {
    child.kill()
    await exit
  })
  await new Promise<void>((resolve, reject) => {
    createInterface(child.stdout).on('line', (line) => { if (line.includes('Server listening')) resolve() })
    exit.then(() => { reject(new Error('it ended before it listened')) }, reject)
  })

  const embedded = `http://localhost:${port}`
  t.same(await (await fetch(embedded)).json(), { hello: 'from a server of your own' })
  t.equal((await fetch(`${embedded}/agents/readyz`)).status, 200)
  const { message } = await call({ url: `${embedded}/agents` } as ServerProcess, {}, { name: 'get_statistics' })
  t.match(message.result.structuredContent, { total: 0 })
})
