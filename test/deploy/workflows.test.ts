import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { folderWith } from '../helpers/folder.ts'
import { whyMissing } from '../helpers/deploy-tools.ts'
import { workflowProblems } from '../helpers/workflow-rules.ts'

const folder = '.github/workflows'
const names = readdirSync(folder)
const read = (name: string): string => readFileSync(join(folder, name), 'utf8')
const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> }
const nodeOfTheImage = /^ARG NODE_IMAGE=.*node:(\d+)\./m.exec(readFileSync('Dockerfile', 'utf8'))?.[1] ?? ''
const linter = execFileSync('scripts/tools/actionlint.sh', ['--where'], { encoding: 'utf8' }).trim()

t.test('actionlint finds nothing', { skip: whyMissing(existsSync(linter), 'actionlint is not installed; scripts/tools/actionlint.sh installs it') }, async (t) => {
  const lint = (...files: string[]): { status: number | null, stdout: string } => spawnSync(linter, files, { encoding: 'utf8', env: { PATH: process.env.PATH, SHELLCHECK_OPTS: '-S warning' } })
  t.match(lint(...names.map((name) => join(folder, name))), { status: 0, stdout: '' })
  const broken = join(folderWith(t, { 'release.yml': read('release.yml').replace('steps.build.outputs.digest', 'steps.built.outputs.digest') }), 'release.yml')
  t.match(lint(broken), { status: 1, stdout: /built/ })
})

t.test('workflows keep to our rules', async (t) => {
  t.same(['chart-release.yml', 'ci.yml', 'codeql.yml', 'release.yml'].filter((name) => !names.includes(name)), [])
  for (const name of names) t.same(workflowProblems(read(name)), [], name)
})

t.test('each rule notices what breaks it', async (t) => {
  const breaks: Array<[was: string | RegExp, is: string, problem: RegExp]> = [
    [/actions\/checkout@\S+ # v/, 'actions/checkout@v7 # v', /is not pinned/],
    [/(actions\/checkout@\S+) # v\S+/, '$1', /is not pinned/],
    ['  push:', '  pull_request_target:', /secrets to foreign code/],
    ['permissions: {}', 'permissions: write-all', /rights to all of its jobs/],
    ['permissions: {}', 'permissions: { contents: read }', /rights to all of its jobs/],
    ['permissions: {}\n', '', /rights to all of its jobs/],
    ['    permissions:\n      contents: read\n', '', /check: it may not read/],
    [/concurrency:\n {2}group: .*\n/, 'concurrency:\n', /concurrency group/],
    ['      contents: read\n', '      contents: write\n', /check: it may write contents/],
    ['      contents: read\n', '      contents: read\n      actions: write\n', /check: it may write actions/],
    ['    timeout-minutes: 30\n', '', /check: it may run for ever/],
    ['ubuntu-24.04', 'ubuntu-latest', /check: its runner/],
    ['"$GITHUB_REF_NAME"', '"${{ github.ref_name }}"', /check: an expression in a script/], // eslint-disable-line no-template-curly-in-string
    ['persist-credentials: false', 'persist-credentials: true', /check: the checkout leaves a token/]
  ]
  for (const [was, is, problem] of breaks) t.match(workflowProblems(read('release.yml').replace(was, is)), [problem], String(problem))
})

/** Where a workflow runs on another Node than the image does, by job; a matrix has what it says. */
const otherNodes = (text: string): string[] => Object.entries((parse(text) as { jobs: Record<string, { steps?: Array<{ with?: Record<string, unknown> }> }> }).jobs)
  .flatMap(([job, { steps = [] }]) => steps.map((step) => step.with?.['node-version']).filter((version) => version !== undefined && version !== '${{ matrix.node }}' && version !== nodeOfTheImage).map((version) => `${job}: ${String(version)}`)) // eslint-disable-line no-template-curly-in-string

t.test('what one Node is enough for runs on that of the image, and the matrices have it', async (t) => {
  for (const name of names) t.same(otherNodes(read(name)), [], name)
  t.same(otherNodes(read('ci.yml').replace(`node-version: '${nodeOfTheImage}'`, "node-version: '24'")), ['lint: 24'])
  const { jobs } = parse(read('ci.yml')) as { jobs: Record<string, { strategy?: { matrix: { node: string[] } } }> }
  for (const job of ['unit', 'integration']) t.ok(jobs[job]?.strategy?.matrix.node.includes(nodeOfTheImage), job)
})

t.test('scripts and files that workflows name exist', async (t) => {
  for (const name of names) {
    const text = read(name)
    for (const [, script] of text.matchAll(/npm run (?:-s )?([\w:-]+)/g)) t.ok(scripts[script as string], `${name}: npm run ${script}`)
    for (const [path] of text.matchAll(/(?<![\w/])(?:scripts|ci|\.github)\/[\w./-]+\.(?:sh|mjs|yml)\b/g)) t.ok(existsSync(path), `${name}: ${path}`)
  }
})

t.test('what is published is signed, described, looked at, and named only then', async (t) => {
  const { jobs } = parse(read('release.yml')) as { jobs: Record<string, { needs?: string | string[], steps: Array<{ uses?: string, run?: string, with?: Record<string, unknown> }> }> }
  const steps = (jobs.image?.steps ?? []).map(({ uses = '', run = '' }) => uses + run)
  const order = [/cosign verify "\$runtime"/, /docker\/build-push-action/, /trivy-action/, /cosign sign/, /actions\/attest/, /imagetools create --tag/].map((part) => steps.findIndex((step) => part.test(step)))
  t.same(order, [...order].sort((a, b) => a - b))
  t.notOk(order.includes(-1))
  const build = jobs.image?.steps.find(({ uses }) => uses?.startsWith('docker/build-push-action@') === true)?.with
  t.match(build, { platforms: 'linux/amd64,linux/arm64', sbom: true, provenance: 'mode=max', target: 'runtime', outputs: /push-by-digest=true/ })
  for (const argument of ['NODE_IMAGE', 'RUNTIME_IMAGE', 'VERSION', 'REVISION', 'SOURCE']) {
    t.match(build?.['build-args'], new RegExp(`^${argument}=`, 'm'))
    t.match(readFileSync('Dockerfile', 'utf8'), new RegExp(`^ARG ${argument}\\b`, 'm'))
  }
  t.match([jobs.image?.needs, jobs.chart?.needs, jobs.publish?.needs], ['check', 'image', ['image', 'chart']])
})

t.test('the release takes the bases that the Dockerfile names, by their digests, and stops when the signature is not that of their makers', async (t) => {
  const { jobs } = parse(read('release.yml')) as { jobs: { image: { steps: Array<{ id?: string, run?: string }> } } }
  const script = jobs.image.steps.find(({ id }) => id === 'bases')?.run ?? ''
  const digest = `sha256:${'b'.repeat(64)}`
  const run = (dockerfile: string, cosign: string): { status: number | null, outputs: string } => {
    const folder = folderWith(t, { Dockerfile: dockerfile, 'bin/docker': `#!/bin/sh\necho '${digest}'\n`, 'bin/cosign': `#!/bin/sh\n${cosign}\n`, outputs: '' })
    for (const name of ['docker', 'cosign']) chmodSync(join(folder, 'bin', name), 0o755)
    const { status } = spawnSync('bash', ['-e', '-c', script], { cwd: folder, encoding: 'utf8', env: { PATH: `${join(folder, 'bin')}:${process.env.PATH}`, GITHUB_OUTPUT: join(folder, 'outputs'), GITHUB_REF_NAME: 'v1.2.3' } })
    return { status, outputs: readFileSync(join(folder, 'outputs'), 'utf8') }
  }
  const dockerfile = readFileSync('Dockerfile', 'utf8')
  const [node = '', runtime = ''] = [...dockerfile.matchAll(/^ARG \w+_IMAGE=([^@\s]+)/gm)].map(([, image]) => image as string)
  const taken = { status: 0, outputs: `node=${node}@${digest}\nruntime=${runtime}@${digest}\nversion=1.2.3\n` }
  t.same(run(dockerfile, 'true'), taken)
  t.same(run(dockerfile.replaceAll(/@sha256:[0-9a-f]{64}/g, ''), 'true'), taken, 'where a fork names no digest, too')
  t.match(run(dockerfile, 'false'), { status: 1, outputs: '' })
})
