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
const ownTools = ['get_sample_things', 'list_sample_labels']
const newerTool = 'list_sample_newcomers'
const someTests = ['test/tools/get-sample-things.test.ts', 'test/tools/list-sample-labels.test.ts', 'test/contract/repository.test.ts', 'test/contract/lint.test.ts', 'test/plugins/mcp.test.ts', 'test/src/version.test.ts']

t.setTimeout(isFull ? 1_800_000 : 400_000)

t.test('a fork with a name, two tools and a migration of its own takes a newer version by docs/upgrade.md', { skip: whyNot === undefined ? false : `leg not run: ${whyNot}` }, async (t) => {
  const { upstream, fork } = forkOfCheckout(t)
  const DATABASE_URL = await emptyDatabase(t)
  const cluster = process.env.TEST_DATABASE_URL === undefined ? await startEmbeddedPostgres({ name: 'test-postgres' }) : undefined
  t.teardown(async () => { await cluster?.stop() })
  const TEST_DATABASE_URL = process.env.TEST_DATABASE_URL ?? cluster?.adminUrl as string

  const ownMigration = `${Math.max(999, ...numbers()) + 1}.do.own.sql`
  makeOwn(fork, ownMigration)
  t.match(fork.run('npm run -s db:migrate', { DATABASE_URL }), new RegExp(`applied .*${ownMigration}`))

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

/** What a team does in its first hour. */
function makeOwn (fork: Repository, migration: string): void {
  fork.run('npm run -s rename sample-fork')
  for (const name of ownTools) fork.run(`npm run -s new:tool ${name}`)
  fork.write(join('migrations', migration), 'create table own ();\n')
  fork.run('git add -A && git commit -qm "our name, tools and table"')
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
