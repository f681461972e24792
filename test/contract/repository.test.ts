import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { configurationPage, envExample } from '../../config/document.ts'
import { envSchema } from '../../config/env.ts'
import { parseAllowlist } from '../../src/allowlist.ts'
import { buildApp } from '../helpers/build-app.ts'
import { documents } from '../helpers/doc-blocks.ts'
import { mcpClient } from '../helpers/mcp-client.ts'
import { migratedDatabase } from '../helpers/postgres.ts'

const read = (path: string): string => readFileSync(path, 'utf8')
const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
const url = await migratedDatabase(t)
const toolFiles = readdirSync('tools').filter((name) => name.endsWith('.ts'))

t.test('every path and npm script that a document names exists', async (t) => {
  for (const document of documents) {
    const text = read(document)
    for (const [, path] of text.matchAll(/`((?!tools\/(?:list|call)`)(?:src|tools|plugins|config|test|docs|migrations|scripts|examples)\/[\w./-]*\w)`/g)) t.ok(existsSync(path as string) || /count-things|NNN/.test(path as string), `${document}: ${path}`)
    for (const [, path] of text.matchAll(/\]\((?!https?:)([^)#]+)\)/g)) t.ok(existsSync(join(document, '..', path as string)), `${document}: ${path}`)
    for (const [, script] of text.matchAll(/npm run (?:-s )?([\w:-]+)/g)) t.ok(scripts[script as string], `${document}: npm run ${script}`)
  }
})

t.test('the README is short and has its two commands', async (t) => {
  const readme = read('README.md')
  t.ok(readme.split('\n').length <= 150)
  for (const command of ['npm ci && npm start', 'npm ci && npm test']) t.ok(readme.includes(`\n${command}\n`), command)
})

t.test('each tool file holds the tool of its name and has a test, and the allowlist speaks of it', async (t) => {
  const { tools } = await buildApp(t, { env: { DATABASE_URL: url } })
  const policy = read('config/allowlist.yaml')
  for (const file of toolFiles) {
    const name = file.replace('.ts', '').replaceAll('-', '_')
    t.ok(tools.get(name), `${file} adds ${name}`)
    t.ok(existsSync(join('test/tools', file.replace('.ts', '.test.ts'))), `${file} has a test`)
    // In a comment will do: a tool that was taken off the list was decided on, a missing one was forgotten.
    t.match(policy, new RegExp(`\\b${name}\\b`), `config/allowlist.yaml lists ${name}, or has it in a comment`)
  }
})

t.test('the allowlist is valid and names only tools that exist', async (t) => {
  const app = await buildApp(t, { env: { DATABASE_URL: url, ALLOWLIST_PATH: 'config/allowlist.yaml' } })
  const policy = parseAllowlist(read('config/allowlist.yaml'), 'config/allowlist.yaml')
  const anonymous = { id: 'anonymous', kind: 'anonymous', roles: ['anonymous'] } as const
  t.same(await mcpClient(app).list(), app.tools.list().map(({ name }) => name).filter((name) => policy.allows(anonymous, name)))
})

// A fork describes its tools where it likes, so the README need not name them: its table stays ours to merge.
t.test('the README names the tools that are shipped, and none that is not there', async (t) => {
  const { tools } = await buildApp(t, { env: { DATABASE_URL: url } })
  const named = [...read('README.md').matchAll(/^\| `([a-z][a-z0-9_]*)` \|/gm)].map(([, name]) => name as string)
  for (const name of named) t.ok(tools.get(name), name)
  for (const name of ['search_records', 'get_record_detail', 'get_statistics', 'get_pool_status']) t.ok(named.includes(name), name)
})

t.test('what is generated from the code is up to date (npm run docs)', async (t) => {
  const settings = (await buildApp(t)).settings.declared()
  t.equal(read('docs/configuration.md'), configurationPage(envSchema, settings))
  t.equal(read('.env.example'), envExample(envSchema, settings))
})

t.test('runtime dependencies carry a permissive licence, and no lockfile entry an address', async (t) => {
  const { packages } = JSON.parse(read('package-lock.json')) as { packages: Record<string, { license?: string, dev?: boolean, resolved?: string }> }
  for (const [path, { license, dev, resolved }] of Object.entries(packages)) {
    if (path !== '' && dev !== true) t.match(license ?? JSON.parse(read(join(path, 'package.json'))).license, /^\(?(MIT|ISC|Apache-2\.0|BSD-2-Clause|BSD-3-Clause|BlueOak-1\.0\.0|0BSD)/, path)
    t.equal(resolved, undefined, path)
  }
})
