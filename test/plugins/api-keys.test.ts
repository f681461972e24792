import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { metrics } from '@opentelemetry/api'
import t from 'tap'
import { newKey } from '../../src/api-keys.ts'
import { allowlistFile } from '../helpers/allowlist.ts'
import { buildApp } from '../helpers/build-app.ts'
import { mcpClient, type Era } from '../helpers/mcp-client.ts'
import { migratedDatabase } from '../helpers/postgres.ts'

const reloads: unknown[] = []
metrics.setGlobalMeterProvider({ getMeter: () => ({ createCounter: () => ({ add: (_value: number, attributes: unknown) => { reloads.push(attributes) } }) }) } as never)
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
    t.same(reloads.at(-1), { policy: 'api_keys', outcome: 'error' })
    t.same(reloads[0], { policy: 'api_keys', outcome: 'ok' })
  })
})

t.test('a file that is missing or wrong stops the boot', async (t) => {
  const start = async (file: string) => await buildApp(t, { env: { DATABASE_URL: url, API_KEYS_FILE: file, ALLOWLIST_PATH: policy } })
  await t.rejects(start(join(folder, 'none')), { code: 'MCP_API_KEYS_INVALID', message: /can't be read \(ENOENT\)/ })
  writeFileSync(join(folder, 'wrong'), 'agent oops')
  await t.rejects(start(join(folder, 'wrong')), { code: 'MCP_API_KEYS_INVALID', message: /line 1: after the id stands sha256:/ })
})
