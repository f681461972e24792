import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'

interface Step { uses?: string, run?: string, with?: Record<string, unknown> }
interface Job { needs?: string | string[], permissions?: unknown, 'timeout-minutes'?: number, steps: Step[] }
interface Workflow { on: Record<string, unknown>, permissions: unknown, concurrency: { group: string }, jobs: Record<string, Job> }
interface FormField { type: string, id?: string, attributes: { label?: string, value?: string, options?: unknown[] } }
interface Configuration { name: string, program: string, preLaunchTask?: string, runtimeArgs?: string[], args: string[] }

const read = (path: string): string => readFileSync(path, 'utf8')
const readJson = (path: string): any => JSON.parse(read(path))
const scripts = readJson('package.json').scripts as Record<string, string>
const scriptsIn = (text: string): string[] => [...text.matchAll(/npm (?:run (?:-s )?)?([\w:-]+)/g)].map(([, name]) => name as string)
const isScript = (name: string): boolean => name === 'ci' || scripts[name] !== undefined

t.test('AGENTS.md has at most 25 lines', async (t) => {
  t.ok(read('AGENTS.md').trimEnd().split('\n').length <= 25)
})

t.test('each test file runs in exactly one of unit, integration and deploy', async (t) => {
  const foldersOf = (script: string): string[] => (scripts[script] ?? '').split(' ').slice(1)
  const runs = [...foldersOf('test:unit'), ...foldersOf('test:integration'), ...foldersOf('test:deploy')]
  const files = readdirSync('test', { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.test.ts')).map((name) => join('test', name))
  for (const file of files) t.equal(runs.filter((folder) => file.startsWith(`${folder}/`)).length, 1, file)
  for (const folder of runs) t.ok(files.some((file) => file.startsWith(`${folder}/`)), `${folder} holds a test`)
})

t.test('each make target calls npm scripts that exist', async (t) => {
  const makefile = read('Makefile')
  const targets = [...makefile.matchAll(/^([\w-]+):/gm)].map(([, name]) => name as string)
  const ours = ['install', 'dev', 'check', 'test-unit', 'test-integration', 'test', 'lint', 'format', 'clean']
  t.same(ours.filter((target) => !targets.includes(target)), [])
  t.same(/^\.PHONY: (.*)$/m.exec(makefile)?.[1]?.split(' '), targets, 'all are phony: there is a folder named test')
  if (spawnSync('make', ['--version']).error !== undefined) return t.test('make -n', { skip: 'make is not installed: what the targets run was not checked' }, () => {})

  for (const target of ours) {
    // a `make test` above this process would pass its own flags on
    const { status, stdout } = spawnSync('make', ['-n', '--no-print-directory', target], { encoding: 'utf8', env: { PATH: process.env.PATH } })
    t.equal(status, 0, target)
    const lines = stdout.trim().split('\n')
    for (const line of lines) t.match(line, /^npm (ci|test|run [\w:-]+)$/, target)
    t.same(scriptsIn(stdout).filter((name) => !isScript(name)), [], target)
  }
})

t.test('the workflow of every change reads and nothing more, runs pinned actions and scripts that exist', async (t) => {
  const names = ['ci.yml'] // the others: test/deploy/workflows.test.ts
  for (const name of names) {
    const text = read(join('.github/workflows', name))
    const { on, permissions, concurrency, jobs } = parse(text) as Workflow
    t.same(permissions, {}, name)
    t.equal('pull_request_target' in on, false, `${name} gives no secrets to foreign code`)
    t.ok(concurrency.group, name)
    t.equal((text.match(/uses:/g) ?? []).length, (text.match(/uses: [\w-]+\/[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/gm) ?? []).length, `${name} pins each action and says its version`)
    for (const [job, { permissions, steps, 'timeout-minutes': minutes }] of Object.entries(jobs)) {
      t.same(permissions, { contents: 'read' }, `${job} reads`)
      t.ok(Number.isInteger(minutes), `${job} ends some time`)
      for (const { run = '', uses = '', with: inputs } of steps) {
        t.same(scriptsIn(run).filter((script) => !isScript(script)), [], `${job}: ${run}`)
        if (uses.startsWith('actions/checkout@')) t.equal(inputs?.['persist-credentials'], false, job)
      }
    }
  }
})

t.test('CI goes from lint to unit to integration to coverage, on the Nodes that package.json allows', async (t) => {
  const { jobs } = parse(read('.github/workflows/ci.yml')) as Workflow
  const needs = (job: string): string[] => [jobs[job]?.needs ?? []].flat()
  t.same(needs('lint'), [])
  t.same(needs('unit'), ['lint'])
  t.same(needs('integration'), ['unit'])
  t.ok(needs('coverage').includes('integration'))
  const runs = (job: string): string[] => (jobs[job]?.steps ?? []).flatMap(({ run = '' }) => scriptsIn(run))
  t.same(['lint', 'unit', 'integration', 'coverage'].map(runs), [['ci', 'lint', 'types'], ['ci', 'test:unit'], ['ci', 'test:integration'], ['ci', 'coverage']])

  const { matrix } = (jobs.unit as unknown as { strategy: { matrix: { node: string[] } } }).strategy
  const floors = [...(readJson('package.json').engines.node as string).matchAll(/(\d+\.\d+)/g)].map(([floor]) => `${floor}.0`)
  t.same(floors.filter((floor) => !matrix.node.includes(floor)), [])
})

t.test('issue forms have what GitHub demands of a form', async (t) => {
  t.equal(parse(read('.github/ISSUE_TEMPLATE/config.yml')).blank_issues_enabled, false)
  for (const name of ['bug.yml', 'feature.yml']) {
    const form = parse(read(join('.github/ISSUE_TEMPLATE', name))) as { name: string, description: string, body: FormField[] }
    t.match(form, { name: /\S/, description: /\S/ }, name)
    t.ok(form.body.some(({ type }) => type !== 'markdown'), `${name} asks something`)
    const ids = form.body.flatMap(({ id }) => id ?? [])
    t.equal(new Set(ids).size, ids.length, `${name}: ids`)
    for (const { type, id, attributes } of form.body) {
      t.match(type, /^(markdown|input|textarea|dropdown|checkboxes)$/, name)
      if (type === 'markdown') t.match(attributes.value, /\S/, name)
      else t.match({ id, label: attributes.label }, { id: /^[\w-]+$/, label: /\S/ }, name)
      if (type === 'dropdown' || type === 'checkboxes') t.ok((attributes.options ?? []).length > 0, `${name}: ${id}`)
    }
  }
})

t.test('dependabot moves npm packages and actions alone, never in groups', async (t) => {
  const { version, updates } = parse(read('.github/dependabot.yml')) as { version: number, updates: Array<Record<string, unknown>> }
  t.equal(version, 2)
  t.same(['npm', 'github-actions'].filter((name) => !updates.some((update) => update['package-ecosystem'] === name)), [])
  for (const update of updates) t.equal('groups' in update, false)
})

t.test('the dev container is pinned, not root, and set up like a clone', async (t) => {
  const { image, remoteUser, postCreateCommand, forwardPorts } = readJson('.devcontainer/devcontainer.json')
  t.match(image, /:\d+\.\d+\.\d+-\d+-\w+(@sha256:[0-9a-f]{64})?$/)
  t.match(remoteUser, /^(?!root$)\w+$/)
  t.equal(postCreateCommand, 'npm ci')
  t.same(forwardPorts, [8000])
})

t.test('the debugger starts the documented start line after a build, and single test files', async (t) => {
  const { configurations } = readJson('.vscode/launch.json') as { configurations: Configuration[] }
  const { tasks } = readJson('.vscode/tasks.json') as { tasks: Array<{ label: string, script: string }> }
  const inCheckout = (path: string): string => path.replace(/^\$\{workspaceFolder\}\//, '')
  for (const { name, program, preLaunchTask } of configurations) {
    t.ok(existsSync(inCheckout(program)), `${name}: ${program}`)
    if (preLaunchTask !== undefined) t.ok(tasks.some(({ label }) => label === preLaunchTask), `${name}: ${preLaunchTask}`)
  }
  for (const { script } of tasks) t.ok(scripts[script], script)

  const server = configurations[0] as Configuration
  const line = ['node', ...server.runtimeArgs ?? [], inCheckout(server.program), ...server.args].filter((part) => part !== '--enable-source-maps').join(' ')
  t.ok(read('README.md').includes(`\n${line}\n`), line)
  t.equal(server.preLaunchTask, 'build')
  t.same(readJson('.vscode/extensions.json').recommendations, readJson('.devcontainer/devcontainer.json').customizations.vscode.extensions)
})
