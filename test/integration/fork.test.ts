import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startEmbeddedPostgres } from '../../src/embedded-postgres/index.ts'
import { name } from '../../src/version.ts'
import { docBlocks } from '../helpers/doc-blocks.ts'
import { forkOfCheckout, whyNotForkable, type Repository } from '../helpers/fork.ts'
import { readMessages, rpcRequest } from '../helpers/mcp-client.ts'
import { emptyDatabase } from '../helpers/postgres.ts'
import { startedServer } from '../helpers/server-process.ts'

// FORK_PROOF=full (npm run prove:fork) runs all tests of the fork. In a renamed repository, and so in the sample fork
// itself, there is nothing to prove: what a fork wrote into README and changelog is its own affair.
const isFull = process.env.FORK_PROOF === 'full'
const whyNot = name === 'portcullis' ? whyNotForkable() : `${name} is a fork already`
const page = docBlocks('docs/add-a-tool.md').flatMap(({ words: [kind, path], code }) => kind === 'file' && path !== undefined ? [{ path, code }] : [])
const documented = page.map(({ path }) => /^test\/tools\/(.*)\.test\.ts$/.exec(path)?.[1]).filter((name) => name !== undefined)
const ownTools = ['get_sample_things', 'list_sample_labels', ...documented.map((name) => name.replaceAll('-', '_'))]
const newerTool = 'list_sample_newcomers'
const someTests = [...ownTools.map((name) => `test/tools/${name.replaceAll('_', '-')}.test.ts`), 'test/contract/repository.test.ts', 'test/contract/lint.test.ts', 'test/plugins/mcp.test.ts', 'test/plugins/api-keys.test.ts', 'test/plugins/named-database.test.ts', 'test/src/settings.test.ts', 'test/src/version.test.ts']

t.setTimeout(isFull ? 3_600_000 : 400_000)

t.test('a fork with a name, tools, settings and migrations of its own takes a newer version by docs/upgrade.md', { skip: whyNot === undefined ? false : `leg not run: ${whyNot}` }, async (t) => {
  const { upstream, fork } = forkOfCheckout(t)
  const DATABASE_URL = await emptyDatabase(t)
  const cluster = process.env.TEST_DATABASE_URL === undefined ? await startEmbeddedPostgres({ name: 'test-postgres' }) : undefined
  t.teardown(async () => { await cluster?.stop() })
  const TEST_DATABASE_URL = process.env.TEST_DATABASE_URL ?? cluster?.adminUrl as string

  const ownMigration = `${Math.max(1000, ...numbers()) + 1}.do.own.sql` // 1000 is that of the page
  makeOwn(fork, ownMigration, { SAMPLE_KEY: 'k', WEATHER_KEY: 'k', SAMPLE_DATABASE_URL: DATABASE_URL })
  t.match(fork.run('npm run -s db:migrate', { DATABASE_URL }), new RegExp(`applied .*1000\\.do\\.labels\\.sql, ${ownMigration}`))

  const newerMigration = `${String(Math.max(...numbers().filter((number) => number < 1000)) + 1).padStart(3, '0')}.do.newer.sql`
  const version = makeNewer(upstream, newerMigration)
  const told = followUpgradePage(fork, { UPSTREAM: upstream.folder, VERSION: `v${version}` })

  t.match(told, /\*\*Action\*\*: sample/, 'what needs action is shown before the merge')
  t.equal(fork.run('git status --porcelain'), '', 'merged, without a conflict')
  const manifest = JSON.parse(fork.read('package.json'))
  t.match(manifest, { name: 'sample-fork', version })
  t.match(fork.read('README.md'), new RegExp(`^# sample-fork\\n[^]*${newerTool}`))
  for (const name of [...ownTools, newerTool]) t.match(fork.read('config/allowlist.yaml'), `  - ${name}\n`)

  t.equal(fork.run('npm run -s db:migrate', { DATABASE_URL }).trim(), `schema is at version ${Number.parseInt(ownMigration)}, applied ${newerMigration}`)
  fork.run('npm run -s lint')
  fork.run('npm run -s types')
  const report = fork.run(`npm test -- --reporter=tap ${isFull ? '--timeout=600' : someTests.join(' ')}`, isFull ? {} : { TEST_DATABASE_URL })
  t.match(report, /^# \{ total: \d+, pass: \d+(, skip: \d+)? \}$/m)
  t.comment(`tests of the fork: ${/^# \{ total.*$/m.exec(report)?.[0] ?? ''}`)
  t.equal(fork.run('git status --porcelain'), '', 'the tests leave the tree clean')

  const server = await startedServer(t, join(fork.folder, 'dist'), { cwd: fork.folder, env: { DATABASE_URL, DB_POOL_MIN: '1' }, args: () => ['-c', './fastify.config.cjs', 'dist/src/app.js'] })
  const ask = async (method: string): Promise<any> => {
    const { headers: { host: _host, ...headers }, body } = rpcRequest(method)
    return readMessages(await (await fetch(`${server.url}/mcp`, { method: 'POST', headers, body: JSON.stringify(body) })).text()).at(-1)?.result
  }
  const { tools, _meta: meta } = await ask('tools/list')
  t.match(meta, { 'io.modelcontextprotocol/serverInfo': { name: 'sample-fork', version } })
  const listed = tools.map(({ name }: { name: string }) => name)
  for (const name of [...ownTools, newerTool]) t.ok(listed.includes(name), name)
})

const numbers = (): number[] => readdirSync('migrations').map((name) => Number.parseInt(name))

/**
 * What a team does in its first hours: its name and description, the tools of docs/add-a-tool.md and two made by
 * `npm run new:tool`, with settings that have no default, another database, a table, and one of our tools taken off.
 */
function makeOwn (fork: Repository, migration: string, settings: Record<string, string>): void {
  const edit = (path: string, before: string | RegExp, after: string): void => {
    const text = fork.read(path)
    if (text.search(before) < 0) throw new Error(`${path} has no ${String(before)}`)
    fork.write(path, text.replace(before, after))
  }
  fork.run('npm run -s rename sample-fork')
  edit('config/env.ts', /(SERVICE_DESCRIPTION: Type\.String\({ default: )'[^']*'/, '$1\'Keeps samples.\'')
  for (const name of ownTools) fork.run(`npm run -s new:tool ${name}`)
  for (const { path, code } of page) if (path.startsWith('migrations/') || documented.some((name) => path.includes(`tools/${name}.`))) fork.write(path, code)
  edit('tools/get-sample-things.ts', '    input:', '    config: Type.Object({ SAMPLE_KEY: Secret({ description: \'Key of the samples\' }) }),\n    input:')
  edit('tools/get-sample-things.ts', 'import { sql } from \'../src/sql.ts\'\n', 'import { Secret } from \'../src/settings.ts\'\nimport { sql } from \'../src/sql.ts\'\n')
  edit('tools/list-sample-labels.ts', '    input:', '    database: \'sample\',\n    input:')
  edit('test/tools/list-sample-labels.test.ts', 'DATABASE_URL: url', 'DATABASE_URL: url, SAMPLE_DATABASE_URL: url')
  edit('config/allowlist.yaml', /^ {2}- search_records$/m, '  # - search_records')
  fork.write('.env', Object.entries(settings).map(([name, value]) => `${name}=${value}\n`).join(''))
  fork.write(join('migrations', migration), 'create table own ();\n')
  fork.run('npm run -s docs && git add -A && git commit -qm "our name, tools, settings and tables"')
}

/** The next version of the server, with whatever a version may bring. */
function makeNewer (upstream: Repository, migration: string): string {
  const allowlist = upstream.read('config/allowlist.yaml')
  upstream.run(`npm run -s new:tool ${newerTool}`)
  upstream.write('config/allowlist.yaml', `${allowlist}  - ${newerTool}\n`)
  upstream.write('README.md', upstream.read('README.md').replace(/^(\| `get_pool_status` .*\n)/m, `$1| \`${newerTool}\` | counts newcomers |\n`))
  upstream.write('CHANGELOG.md', upstream.read('CHANGELOG.md').replace(/^## /m, '## Sample\n\n- **Action**: sample.\n\n## '))
  upstream.write(join('migrations', migration), 'create table newer ();\n')
  upstream.append('src/sql.ts', '\n/** Newer. */\nexport const newer = true\n')
  upstream.run('npm version minor --no-git-tag-version --ignore-scripts')
  const { version } = JSON.parse(upstream.read('package.json'))
  upstream.run(`git add -A && git commit -qm "the newer version" && git tag v${version}`)
  return version
}

/** Runs the commands of docs/upgrade.md that are marked "fork". */
function followUpgradePage (fork: Repository, env: Record<string, string>): string {
  return docBlocks('docs/upgrade.md').filter(({ words }) => words[0] === 'fork').map(({ code }) => fork.run(code, env)).join('')
}
