import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { Type } from 'typebox'
import { newKey } from '../../src/api-keys.ts'
import { allowlistFile } from '../helpers/allowlist.ts'
import { buildApp } from '../helpers/build-app.ts'
import { mcpClient, rpcRequest, type Era } from '../helpers/mcp-client.ts'
import { migratedDatabase } from '../helpers/postgres.ts'
import { collecting } from '../helpers/telemetry.ts'

const collected = collecting(t)
const reloads = async (outcome: string): Promise<number> => (await collected.points('portcullis.policy.reloads')).filter(({ attributes }) => attributes.policy === 'api_keys' && attributes.outcome === outcome).reduce((sum, { value }) => sum + value, 0)
const folder = mkdtempSync(join(tmpdir(), 'portcullis-keys-'))
t.teardown(() => { rmSync(folder, { recursive: true }) })
const path = join(folder, 'keys')
const url = await migratedDatabase(t)
const policy = allowlistFile(t, 'roles:\n  reader: { allow: [search_records, get_pool_status] }\n  analyst: { allow: ["get_record_detail*", "get_statistic*", get_pool_status], deny: ["*pool*"] }\n')
const reader = newKey({ id: 'agent', roles: ['reader'] })
const analyst = newKey({ id: 'report', roles: ['analyst'] })
const expired = newKey({ id: 'old', roles: ['reader'], expires: new Date('2020-01-01') })
const shipped = ['get_pool_status', 'get_record_detail', 'get_statistics', 'search_records'] // a fork may have tools that the patterns match
const single = 'a-single-key-of-the-contract'

t.test('keys of a file', async (t) => {
  writeFileSync(path, [reader.line, analyst.line, expired.line].join('\n'))
  const lines: Array<Record<string, unknown>> = []
  const app = await buildApp(t, { env: { DATABASE_URL: url, API_KEYS_FILE: path, API_KEY: single, ALLOWLIST_PATH: policy }, onLog: (line) => { lines.push(line) } })
  const clientOf = (key: string) => mcpClient(app, { authorization: `Bearer ${key}` })
  const status = async (key: string): Promise<number> => (await clientOf(key).request('tools/list')).status

  for (const era of ['modern', 'legacy'] as Era[]) {
    t.test(`each sees and calls what its roles allow, and nothing tells it of more (${era})`, async (t) => {
      t.same(await clientOf(reader.key).list({ era }), ['get_pool_status', 'search_records'])
      t.same((await clientOf(analyst.key).list({ era })).filter((name) => shipped.includes(name)), ['get_record_detail', 'get_statistics'])
      t.same(await clientOf(single).list({ era }), [], 'role default has no rule')

      t.equal((await clientOf(analyst.key).call('get_statistics', {}, { era })).message.result.structuredContent.total, 0)
      const hidden = await clientOf(reader.key).call('get_statistics', {}, { era })
      const unknown = await clientOf(reader.key).call('get_statisticz', {}, { era })
      t.equal(hidden.text, unknown.text.replaceAll('get_statisticz', 'get_statistics'))
    })
  }

  t.test('a call is logged by the id of its key, and no key is in the log', async (t) => {
    await clientOf(analyst.key).call('get_statistics')
    t.equal(lines.findLast(({ msg }) => msg === 'tool call')?.principal, 'report')
    for (const { key } of [reader, analyst, expired]) t.equal(JSON.stringify(lines).includes(key), false)
  })

  t.test('an expired, unknown or altered key opens nothing', async (t) => {
    for (const key of [expired.key, `${reader.key}x`, reader.key.slice(0, -1), reader.line.split(' ')[1] as string]) t.equal(await status(key), 401)
  })

  t.test('a key that is taken out is dead, one that is added lives, without a restart', async (t) => {
    const next = newKey({ id: 'next', roles: ['reader'] })
    writeFileSync(path, [analyst.line, next.line].join('\n'))
    while (await status(reader.key) !== 401);
    t.equal(await status(next.key), 200)
    t.equal(await status(analyst.key), 200)
  })

  t.test('a file that can\'t be used leaves the keys as they are, and the log says so', async (t) => {
    writeFileSync(path, `${analyst.line}\nagent oops`)
    while (!lines.some(({ msg }) => /the keys of before still open/.test(String(msg)))) await status(analyst.key)
    t.equal(await status(analyst.key), 200)
    t.ok(await reloads('error') > 0)
    t.ok(await reloads('ok') > 0)
  })
})

t.test('a key that is taken out ends what it has open, and what waits in its name', async (t) => {
  const ringPath = join(folder, 'ring')
  writeFileSync(ringPath, [reader.line, analyst.line].join('\n'))
  const waiting: Array<() => void> = []
  const lines: Array<Record<string, unknown>> = []
  const app = await buildApp(t, {
    env: { DATABASE_URL: url, API_KEYS_FILE: ringPath, ALLOWLIST_PATH: allowlistFile(t, 'roles: { reader: { allow: ["test_wait"], limits: { concurrency: 1 } }, analyst: { allow: ["test_wait"] } }') },
    onLog: (line) => { lines.push(line) },
    extra: async (fastify) => {
      fastify.tools.add({
        name: 'test_wait',
        description: 'Waits.',
        effect: 'read',
        input: Type.Object({}),
        output: Type.Object({}),
        handler: async () => {
          await new Promise<void>((resolve) => { waiting.push(resolve) })
          return {}
        }
      })
    }
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const open = async (key: string): Promise<Response> => {
    const { headers: { host: _host, ...headers }, body } = rpcRequest('subscriptions/listen', { notifications: { toolsListChanged: true } })
    return await fetch(`http://127.0.0.1:${(app.server.address() as AddressInfo).port}/mcp`, { method: 'POST', headers: { ...headers, 'x-api-key': key }, body: JSON.stringify(body) })
  }
  const [stream, other] = [await open(reader.key), await open(analyst.key)]
  t.equal(stream.status, 200)
  const call = async () => await mcpClient(app, { 'x-api-key': reader.key }).call('test_wait')
  const [running, queued] = [call(), call()]
  const turn = async (): Promise<void> => { await new Promise((resolve) => { setImmediate(resolve) }) }
  while (app.limits.stats().waiting === 0 || waiting.length === 0) await turn()

  writeFileSync(ringPath, analyst.line)
  await stream.text().catch(() => {}) // ends
  t.ok(lines.some(({ msg }) => msg === 'API keys reloaded'))
  waiting[0]?.()
  t.equal((await running).status, 200, 'what ran may end')
  t.equal((await queued).status, 401)
  t.equal(waiting.length, 1, 'and what waited never ran')
  const analysts = mcpClient(app, { 'x-api-key': analyst.key }).call('test_wait')
  while (waiting.length === 1) await turn()
  waiting[1]?.()
  t.equal((await analysts).status, 200)
  await other.body?.cancel() // still open
})

t.test('a file that is missing or wrong stops the boot', async (t) => {
  const start = async (file: string) => await buildApp(t, { env: { DATABASE_URL: url, API_KEYS_FILE: file, ALLOWLIST_PATH: policy } })
  await t.rejects(start(join(folder, 'none')), { code: 'MCP_API_KEYS_INVALID', message: /can't be read \(ENOENT\)/ })
  writeFileSync(join(folder, 'wrong'), 'agent oops')
  await t.rejects(start(join(folder, 'wrong')), { code: 'MCP_API_KEYS_INVALID', message: /line 1: after the id stands sha256:/ })
})
