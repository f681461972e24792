import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { buildApp } from '../helpers/build-app.ts'
import { mcpClient } from '../helpers/mcp-client.ts'

const read = (path: string): string => readFileSync(path, 'utf8')
const documents = ['README.md', 'CHANGELOG.md', ...['tools', 'plugins', 'src'].map((folder) => `${folder}/README.md`), 'docs/guarantees.md', ...readdirSync('docs/decisions').map((name) => join('docs/decisions', name))]
const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
const toolFiles = readdirSync('tools').filter((name) => name.endsWith('.ts'))

t.test('every path and npm script that a document names exists', async (t) => {
  for (const document of documents) {
    const text = read(document)
    for (const [, path] of text.matchAll(/`((?:src|tools|plugins|config|test|docs|migrations|scripts)\/[\w./-]*\w)`/g)) t.ok(existsSync(path as string) || /count-things|NNN/.test(path as string), `${document}: ${path}`)
    for (const [, path] of text.matchAll(/\]\((?!https?:)([^)#]+)\)/g)) t.ok(existsSync(join(document, '..', path as string)), `${document}: ${path}`)
    for (const [, script] of text.matchAll(/npm run (?:-s )?([\w:-]+)/g)) t.ok(scripts[script as string], `${document}: npm run ${script}`)
  }
})

t.test('the README is short and has its two commands', async (t) => {
  const readme = read('README.md')
  t.ok(readme.split('\n').length <= 150)
  for (const command of ['npm ci && npm start', 'npm ci && npm test']) t.ok(readme.includes(`\n${command}\n`), command)
})

t.test('each tool file holds the tool of its name, has a test, and the shipped allowlist names it', async (t) => {
  const app = await buildApp(t)
  const names = toolFiles.map((file) => file.replace('.ts', '').replaceAll('-', '_')).sort()
  t.same(app.tools.list().map(({ name }) => name), names)
  t.same(await mcpClient(app).list(), names)
  for (const file of toolFiles) t.ok(existsSync(join('test/tools', file.replace('.ts', '.test.ts'))), file)
  for (const name of names) t.ok(read('README.md').includes(`\`${name}\``), name)
})

t.test('runtime dependencies carry a permissive licence, and no lockfile entry an address', async (t) => {
  const { packages } = JSON.parse(read('package-lock.json')) as { packages: Record<string, { license?: string, dev?: boolean, resolved?: string }> }
  for (const [path, { license, dev, resolved }] of Object.entries(packages)) {
    if (path !== '' && dev !== true) t.match(license ?? JSON.parse(read(join(path, 'package.json'))).license, /^\(?(MIT|ISC|Apache-2\.0|BSD-2-Clause|BSD-3-Clause|BlueOak-1\.0\.0|0BSD)/, path)
    t.equal(resolved, undefined, path)
  }
})
