import { mkdirSync, mkdtempSync, renameSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { allowlistFile } from '../helpers/allowlist.ts'
import { buildApp } from '../helpers/build-app.ts'
import { mcpClient } from '../helpers/mcp-client.ts'
import { migratedDatabase } from '../helpers/postgres.ts'
import { collecting } from '../helpers/telemetry.ts'

const url = await migratedDatabase(t)
const collected = collecting(t)
const reloads = async (outcome: string): Promise<number> => (await collected.points('portcullis.policy.reloads')).filter(({ attributes }) => attributes.policy === 'allowlist' && attributes.outcome === outcome).reduce((sum, { value }) => sum + value, 0)
const allowed = (...tools: string[]): string => `allowed_tools: [${tools.join(', ')}]\n`
const one = ['get_pool_status', 'get_statistics']
const other = ['get_pool_status', 'search_records']

async function serverWith (t: Test, path: string) {
  const lines: Array<Record<string, unknown>> = []
  const app = await buildApp(t, { env: { DATABASE_URL: url, ALLOWLIST_PATH: path }, onLog: (line) => { lines.push(line) } })
  const client = mcpClient(app)
  const logged = (text: RegExp): Array<Record<string, unknown>> => lines.filter(({ msg }) => text.test(String(msg)))
  return {
    client,
    logged,
    /** Lists until the log says so; what every list on the way was. */
    untilLogged: async (text: RegExp, count = 1): Promise<string[][]> => {
      const lists: string[][] = []
      while (logged(text).length < count) lists.push(await client.list())
      return lists
    }
  }
}

t.test('a file that changes is taken over, also when size and time stay', async (t) => {
  const path = allowlistFile(t, allowed('get_statistics'))
  const { client, untilLogged } = await serverWith(t, path)
  t.same(await client.list(), one)

  const { atime, mtime } = statSync(path)
  writeFileSync(path, allowed('search_records'))
  utimesSync(path, atime, mtime)
  await untilLogged(/^allowlist reloaded$/)

  for (const era of ['modern', 'legacy'] as const) t.same(await client.list({ era }), other)
  t.equal((await client.call('get_statistics')).message.error?.code, -32602)
})

t.test('what can\'t be used changes nothing, and the log says why', async (t) => {
  const path = allowlistFile(t, allowed('get_statistics'))
  const { client, logged, untilLogged } = await serverWith(t, path)
  const bad: Array<[text: string | undefined, reason: RegExp]> = [['allowed_tools: [', /allowlist/], ['', /must be a mapping/], [allowed('serch_records'), /serch_records, which no tool is called/], [undefined, /is missing/]]
  for (const [index, [text, reason]] of bad.entries()) {
    const before = await reloads('error')
    if (text === undefined) rmSync(path)
    else writeFileSync(path, text)
    await untilLogged(/the last good one stays/, index + 1)
    t.match(logged(/the last good one stays/)[index]?.reason, reason)
    t.equal(await reloads('error'), before + 1)
    t.same(await client.list(), one)
  }
  const before = await reloads('ok')
  writeFileSync(path, allowed('search_records'))
  await untilLogged(/^allowlist reloaded$/)
  t.same(await client.list(), other)
  t.equal(await reloads('ok'), before + 1)
})

t.test('a file that was missing at boot opens what it allows when it comes', async (t) => {
  const path = allowlistFile(t, '')
  rmSync(path)
  const { client, logged, untilLogged } = await serverWith(t, path)
  t.equal(logged(/every tool is blocked/).length, 1)
  t.same(await client.list(), [])
  writeFileSync(path, allowed('get_statistics'))
  await untilLogged(/^allowlist reloaded$/)
  t.same(await client.list(), one)
})

t.test('the symlink swap of a ConfigMap is seen, and no list shows half of it', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-configmap-'))
  t.teardown(() => { rmSync(folder, { recursive: true }) })
  const swapTo = (version: string, text: string): void => { // as the kubelet does it
    mkdirSync(join(folder, version))
    writeFileSync(join(folder, version, 'allowlist.yaml'), text)
    symlinkSync(version, join(folder, '..data_tmp'))
    renameSync(join(folder, '..data_tmp'), join(folder, '..data'))
  }
  swapTo('..v0', allowed('get_statistics'))
  symlinkSync(join('..data', 'allowlist.yaml'), join(folder, 'allowlist.yaml'))
  const { untilLogged } = await serverWith(t, join(folder, 'allowlist.yaml'))

  for (let swap = 1; swap <= 5; swap++) {
    swapTo(`..v${swap}`, allowed(...swap % 2 === 1 ? ['search_records'] : ['get_statistics']))
    for (const list of await untilLogged(/^allowlist reloaded$/, swap)) t.ok([one, other].some((whole) => whole.join() === list.join()), list.join())
  }
})
