import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { spawnSync } from 'node:child_process'
import t from 'tap'
import { parse } from 'yaml'
import { chart, objectsIn, renderText, scenarioObjects, scenarios, whyNoHelm } from '../helpers/chart.ts'
import { docBlocks } from '../helpers/doc-blocks.ts'
import { whyMissing } from '../helpers/deploy-tools.ts'
import { folderWith } from '../helpers/folder.ts'
import { kindScripts, misfits, type Parts } from '../helpers/kind.ts'
import { apiServer, schemas, whyNoChecks } from '../helpers/kubernetes-checks.ts'

// No cluster runs here. What stands in for one: helm and the scripts are real, the API is a stub, kubectl writes down.
const folder = 'ci/kind'
const read = (name: string): string => readFileSync(join(folder, name), 'utf8')
const manifests = ['namespace.yaml', 'postgres.yaml', 'scenarios.yaml'].map((name) => join(folder, name))

t.test('shellcheck finds nothing in the scripts', { skip: whyMissing(spawnSync('shellcheck', ['--version']).error === undefined, 'shellcheck is not installed') }, async (t) => {
  const check = (...files: string[]): number | null => spawnSync('shellcheck', files).status
  t.equal(check(...readdirSync(folder).filter((name) => name.endsWith('.sh')).map((name) => join(folder, name))), 0)
  t.not(check(join(folderWith(t, { 'broken.sh': read('lifecycle.sh').replace('"$left"', '$lefd') }), 'broken.sh')), 0)
})

t.test('an API server would take the manifests, in a namespace for restricted pods', { skip: whyNoChecks }, async (t) => {
  for (const check of [schemas, apiServer]) t.match(check(...manifests), { ok: true })
  t.match(parse(read('namespace.yaml')), { metadata: { name: 'mcp-system', labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } } })
  for (const [was, is, check, says] of [
    ['targetPort', 'targetPorts', schemas, /targetPorts/],
    ['runAsNonRoot: true', 'runAsNonRoot: false', apiServer, /not restricted: runAsNonRoot/],
    ['drop: [ALL]', 'drop: []', apiServer, /not restricted: unrestricted capabilities/]
  ] as const) t.match(check(join(folderWith(t, { 'postgres.yaml': read('postgres.yaml').replace(was, is) }), 'postgres.yaml')), { ok: false, output: says }, is)
})

const parts = (): Parts => ({
  script: read('lifecycle.sh'),
  database: read('postgres.yaml'),
  roles: readFileSync('compose/create-roles.sh', 'utf8'),
  values: read('values.yaml'),
  workflow: readFileSync('.github/workflows/ci.yml', 'utf8'),
  objects: objectsIn(renderText(join(folder, 'values.yaml')))
})

t.test('script, database, chart and workflow agree on names, keys, ports and roles', { skip: whyNoHelm }, async (t) => {
  const fitting = parts()
  t.same(misfits(fitting), [])
  const breaks: Array<[part: Exclude<keyof Parts, 'objects'>, was: string, is: string, sentence: RegExp]> = [
    ['script', '--from-literal=API_KEY=', '--from-literal=API_KEYS=', /wants API_KEY of the Secret portcullis-secrets/],
    ['script', '--from-literal=MIGRATION_DATABASE_URL=', '--from-literal=OWNER_URL=', /wants MIGRATION_DATABASE_URL/],
    ['script', 'generic portcullis-secrets', 'generic portcullis', /wants DATABASE_URL of the Secret portcullis-secrets/],
    ['script', 'OWNER_PASSWORD=', 'OWNER=', /PostgreSQL wants OWNER_PASSWORD/],
    ['script', 'configmap create-roles ', 'configmap roles ', /volume create-roles/],
    ['script', 'portcullis_owner:', 'owner:', /no role owner/],
    ['script', '@postgres:5432', '@database:5432', /no Service is at database:5432/],
    ['script', '@postgres:5432', '@postgres:6432', /no Service is at postgres:6432/],
    ['script', '5432/portcullis"', '5432/shop"', /no database shop/],
    ['roles', 'create role portcullis login', 'create role server login', /no role portcullis/],
    ['roles', '$SECRETS/SERVER_PASSWORD', '$SECRETS/PASSWORD', /PostgreSQL wants PASSWORD/],
    ['database', 'targetPort: postgres', 'targetPort: http', /leads to no port/],
    ['database', 'namespace: mcp-system', 'namespace: default', /another namespace/],
    ['database', 'defaultMode: 0555', 'defaultMode: 0444', /not run as a program/],
    ['database', 'secretName: postgres', 'secretName: database', /volume secrets/],
    ['values', 'pullPolicy: Never', 'pullPolicy: Always', /looked for in a registry/],
    ['workflow', '--tag portcullis:kind', '--tag portcullis:ci', /not the one that is built/]
  ]
  for (const [part, was, is, sentence] of breaks) {
    t.match(fitting[part], was)
    t.match(misfits({ ...fitting, [part]: fitting[part].replace(was, is) }), [sentence], is)
  }
  const elsewhere = JSON.parse(JSON.stringify(fitting.objects).replaceAll('"app.kubernetes.io/name":"postgres"', '"app":"postgres"'))
  t.match(misfits({ ...fitting, objects: elsewhere }), [/network policy/])
})

t.test('the chart is installed, upgraded, rolled back and gone, and each step is looked at', { skip: whyNoHelm }, async (t) => {
  const { api, run } = await kindScripts(t)
  const { ok, output, kubectl } = await run('ci/kind/lifecycle.sh')
  t.ok(ok, output)
  t.same([...output.matchAll(/^== (\w[\w ]*)$/gm)].slice(-4).map(([, step]) => step), ['install', 'upgrade', 'roll back', 'uninstall'])
  t.equal(output.match(/^Phase: +Succeeded$/gm)?.length, 9, 'three times, three test pods')
  t.same(api.store.names(), [], 'nothing is left')
  t.ok(api.written.includes('Job portcullis-migrate'))
  t.match(kubectl[0], /apply --filename ci\/kind\/namespace\.yaml/)
  t.equal(kubectl.filter((call) => call.includes('create secret')).length, 2)

  const documented = docBlocks('docs/kubernetes.md').flatMap(({ code }) => [...code.matchAll(/^helm (upgrade portcullis|rollback portcullis).*$/gm)].map(([line]) => line))
  const options = (line: string): string[] => [...line.matchAll(/(?<= )--[a-z-]+/g)].map(([option]) => option)
  for (const line of documented) t.ok(read('lifecycle.sh').split('\n').some((own) => own.startsWith(line.slice(0, 15)) && options(own).join() === options(line).join()), line)
})

t.test('the script fails when something is left, when anything is let in, and when a setting does not arrive', { skip: whyNoHelm }, async (t) => {
  t.match(await (await kindScripts(t, { left: 'configmap/portcullis-env' })).run('ci/kind/lifecycle.sh'), { ok: false, output: /uninstall leaves configmap\/portcullis-env/ })
  t.match(await (await kindScripts(t, { admits: 'all' })).run('ci/kind/lifecycle.sh'), { ok: false, output: /without a security context is let in/ })
  t.match(await (await kindScripts(t, { level: 'INFO' })).run('ci/kind/lifecycle.sh'), { ok: false, output: /LOG_LEVEL is not DEBUG/ })
})

t.test('every scenario, and the custom kinds that the local checks know, go to the API server', { skip: whyNoHelm || whyNoChecks }, async (t) => {
  const { ok, output, kubectl } = await (await kindScripts(t)).run('ci/kind/scenarios.sh')
  t.ok(ok, output)
  const kinds = kubectl.find((call) => call.startsWith('apply --server-side --filename=')) ?? ''
  for (const group of ['external-secrets.io_externalsecrets', 'keda.sh_scaledobjects', 'monitoring.coreos.com_servicemonitors', 'gateway.networking.k8s.io_httproutes', 'opentelemetry.io_opentelemetrycollectors']) t.match(kinds, group)
  t.notMatch(kinds, 'kustomization')
  t.equal(kubectl.filter((call) => call === 'apply --server-side --dry-run=server --filename -').length, scenarios.length + 1)
  t.match(kubectl.at(-1), 'apply --server-side --dry-run=server --filename examples/kubernetes/opentelemetry-collector.yaml')
  t.equal((output.match(/^== /gm) ?? []).length, scenarios.length + 1)
})

t.test('what scenarios take for granted is there before they come', { skip: whyNoHelm }, async (t) => {
  const there = [...objectsIn(read('namespace.yaml')), ...objectsIn(read('scenarios.yaml'))].map(({ kind, metadata }) => `${kind} ${metadata.name}`)
  const named = (name: string): string[] => scenarioObjects(name).flatMap(({ metadata, spec }) => {
    const { priorityClassName, runtimeClassName } = spec?.template?.spec ?? spec ?? {}
    return [`Namespace ${metadata.namespace}`, priorityClassName && `PriorityClass ${priorityClassName}`, runtimeClassName && `RuntimeClass ${runtimeClassName}`].filter(Boolean)
  })
  for (const name of scenarios) t.same([...new Set(named(name))].filter((object) => !there.includes(object)), [], name)
  t.same([...new Set(named('all-on'))], ['Namespace tools', 'PriorityClass high', 'RuntimeClass gvisor'])
})

t.test('chart-testing finds its chart', async (t) => {
  t.match(parse(read('ct.yaml')), { all: true, 'validate-maintainers': false })
  t.match(chart, /^charts\//, 'where it looks unasked')
})
