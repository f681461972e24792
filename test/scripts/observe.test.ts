import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'

const folder = mkdtempSync(join(tmpdir(), 'portcullis-docker-'))
t.teardown(() => { rmSync(folder, { recursive: true }) })

/** Runs the script with a `docker` that notes what it is asked and ends with that status; without a status there is none. */
function observe (args: string[], status?: number): { status: number | null, output: string, asked: string } {
  const [docker, notes] = [join(folder, 'docker'), join(folder, 'asked')]
  writeFileSync(notes, '')
  rmSync(docker, { force: true })
  if (status !== undefined) {
    writeFileSync(docker, `#!/bin/sh\necho "$@" >> ${notes}\nexit ${status}\n`)
    chmodSync(docker, 0o755)
  }
  const { status: ended, stdout, stderr } = spawnSync(process.execPath, ['scripts/observe.mjs', ...args], { encoding: 'utf8', env: { PATH: folder } })
  return { status: ended, output: stdout + stderr, asked: readFileSync(notes, 'utf8').trim() }
}

t.test('up waits for the stack and says where to look and how to start the server', async (t) => {
  const { status, output, asked } = observe(['up'], 0)
  t.equal(status, 0)
  t.equal(asked, 'compose --profile observe up --detach --wait otelcol grafana')
  for (const text of ['http://localhost:3000', 'http://localhost:9090/alerts', 'OTEL_ENABLED=true npm start', 'docs/observe.md']) t.ok(output.includes(text), text)
  t.equal(observe(['up', 'lgtm'], 0).asked, 'compose --profile lgtm up --detach --wait lgtm')
})

t.test('what it starts and stops is the stack: every service of those profiles, and nothing else', async (t) => {
  const { services } = parse(readFileSync('compose.yaml', 'utf8'), { merge: true }) as { services: Record<string, { profiles?: string[], depends_on?: Record<string, unknown> }> }
  const ofStack = Object.keys(services).filter((name) => services[name]?.profiles?.some((profile) => profile === 'observe' || profile === 'lgtm'))
  const started = [...observe(['up'], 0).asked.split(' ').slice(6), ...observe(['up', 'lgtm'], 0).asked.split(' ').slice(6)]
  t.same([...new Set([...started, ...started.flatMap((name) => Object.keys(services[name]?.depends_on ?? {}))])].sort(), ofStack.sort())
  t.same(observe(['down'], 0).asked.split(' ').slice(6).sort(), ofStack)
})

t.test('down stops whatever profile runs and keeps the data', async (t) => {
  const { status, output, asked } = observe(['down'], 0)
  t.equal(status, 0)
  t.equal(asked, 'compose --profile * rm --stop --force otelcol prometheus tempo loki grafana lgtm')
  t.match(output, /are kept in volumes/)
})

t.test('a failure, a missing container engine and a wrong word end with one sentence', async (t) => {
  t.match(observe(['up'], 1), { status: 1, output: 'docker compose --profile observe up --detach --wait otelcol grafana failed; what it wrote is above\n' })
  t.match(observe(['up']), { status: 1, output: /^docker was not found; .*\n$/ })
  t.match(observe(['up', 'everything'], 0), { status: 1, output: /^say what to do: .*\n$/, asked: '' })
  t.match(observe([], 0), { status: 1, output: /^say what to do: / })
})
