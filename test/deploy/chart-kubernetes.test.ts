import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { stringify } from 'yaml'
import { chart, objectsIn, renderText, scenarioFile, scenarios, scenarioText, whyNoHelm, type KubernetesObject } from '../helpers/chart.ts'
import { apiServer, practice, schemas, whyNoChecks, type Verdict } from '../helpers/kubernetes-checks.ts'

const skip = whyNoHelm || whyNoChecks
const folder = mkdtempSync(join(tmpdir(), 'portcullis-objects-'))
t.teardown(() => { rmSync(folder, { recursive: true }) })

function write (name: string, text: string): string {
  writeFileSync(join(folder, `${name}.yaml`), text)
  return join(folder, `${name}.yaml`)
}

t.test('everything rendered has a strict schema and keeps to it, and an API server would take it', { skip }, async (t) => {
  const files = scenarios.flatMap((name) => [write(name, scenarioText(name)), write(`${name}-1.30`, renderText(scenarioFile(name), { kubeVersion: '1.30.0' }))])
  files.push(write('values-prod', renderText(join(chart, 'values-prod.yaml'))))
  const objects = scenarios.reduce((sum, name) => sum + objectsIn(scenarioText(name)).length, 0)
  const verdict = schemas(...files)
  t.ok(verdict.ok, verdict.output)
  t.match(verdict.output, /Invalid: 0, Errors: 0, Skipped: 0/)
  const answer = apiServer(...files)
  t.ok(answer.ok, answer.output)
  t.ok(Number(/^(\d+) objects/m.exec(answer.output)?.[1]) >= objects * 2, answer.output)
})

t.test('everything rendered is good practice', { skip }, async (t) => {
  for (const name of scenarios) {
    const { ok, output } = practice(write(name, scenarioText(name)))
    t.ok(ok, `${name}: ${output.split('\n').filter((line) => line.startsWith('[CRITICAL]')).join('; ')}`)
  }
})

type Change = (object: any) => void
const podSpec = (object: any): any => object.spec.template.spec
const container = (object: any): any => podSpec(object).containers[0]

/** Each is one mistake in a rendered object, who must find it, and a part of what it says. */
const mistakes: Array<[what: string, scenario: string, kind: string, change: Change, finder: (file: string) => Verdict, says: RegExp]> = [
  ['a misspelt field', 'default', 'Deployment', (object) => { container(object).livenesProbe = {} }, schemas, /livenesProbe/],
  ['a field of the wrong type', 'default', 'Service', (object) => { object.spec.ports[0].port = '8000' }, schemas, /got string, want integer|want integer/],
  ['a field in metadata that is none', 'default', 'ConfigMap', (object) => { object.metadata.label = {} }, schemas, /label/],
  ['null where an object belongs', 'default', 'NetworkPolicy', (object) => { object.spec.podSelector = null }, schemas, /null/],
  ['a version that is no longer served', 'external-secrets', 'ExternalSecret', (object) => { object.apiVersion = 'external-secrets.io/v1beta1' }, schemas, /could not find schema/],
  ['a misspelt field of a custom kind', 'external-secrets', 'ExternalSecret', (object) => { object.spec.refreshIntervall = '1h' }, schemas, /refreshIntervall/],
  ['the same, asked of the API server', 'external-secrets', 'ExternalSecret', (object) => { object.spec.refreshIntervall = '1h' }, apiServer, /refreshIntervall/],
  ['a metric of the autoscaler without a target', 'default', 'HorizontalPodAutoscaler', (object) => { delete object.spec.metrics[0].resource.target }, schemas, /target/],
  ['a variable that stands twice', 'default', 'Deployment', (object) => { container(object).env.push({ name: 'POD_NAME', value: 'x' }) }, apiServer, /duplicate entries/],
  ['a port that stands twice', 'default', 'Service', (object) => { object.spec.ports.push({ ...object.spec.ports[0] }) }, apiServer, /duplicate entries/],
  ['a rule between fields (CEL)', 'gateway', 'HTTPRoute', (object) => { object.spec.rules[0].timeouts = { request: '10s', backendRequest: '20s' } }, apiServer, /backendRequest/],
  ['a pod on the host\'s network', 'default', 'Deployment', (object) => { podSpec(object).hostNetwork = true }, apiServer, /not restricted: host namespaces/],
  ['root', 'default', 'Deployment', (object) => { container(object).securityContext.runAsUser = 0 }, apiServer, /not restricted: runAsUser=0/],
  ['a path of the host', 'default', 'Deployment', (object) => { podSpec(object).volumes.push({ name: 'host', hostPath: { path: '/' } }) }, apiServer, /not restricted: .*hostPath/],
  ['a privileged migration', 'default', 'Job', (object) => { container(object).securityContext.privileged = true }, apiServer, /not restricted: privileged/],
  ['a test pod with all capabilities', 'default', 'Pod', (object) => { delete object.spec.containers[0].securityContext.capabilities }, apiServer, /not restricted: unrestricted capabilities/],
  ['no limit of memory', 'default', 'Deployment', (object) => { delete container(object).resources.limits.memory }, practice, /Memory limit is not set/i],
  ['a tag that moves', 'default', 'Deployment', (object) => { container(object).image = 'ghcr.io/portcullis/portcullis:latest' }, practice, /latest/],
  ['a writable root', 'default', 'Deployment', (object) => { container(object).securityContext.readOnlyRootFilesystem = false }, practice, /root filesystem/i],
  ['no disruption budget', 'default', 'PodDisruptionBudget', (object) => { object.spec.selector.matchLabels = { other: 'pods' } }, practice, /PodDisruptionBudget/],
  ['pods that no policy guards', 'default', 'Deployment', (object) => { object.spec.template.metadata.labels['app.kubernetes.io/component'] = 'other' }, practice, /NetworkPolicy/]
]

t.test('each of these mistakes is found', { skip }, async (t) => {
  for (const [index, [what, scenario, kind, change, finder, says]] of mistakes.entries()) {
    const objects = objectsIn(scenarioText(scenario))
    change(firstOf(objects, kind))
    const { ok, output } = finder(write(`mistake-${index}`, objects.map((object) => stringify(object)).join('---\n')))
    t.notOk(ok, what)
    t.match(output, says, what)
  }
})

const firstOf = (objects: KubernetesObject[], kind: string): KubernetesObject | undefined => objects.find((object) => object.kind === kind)

t.test('a key that stands twice is found in the text', { skip }, async (t) => {
  const text = scenarioText('default').replace('  minReadySeconds: 5\n', '  minReadySeconds: 5\n  minReadySeconds: 6\n')
  t.notOk(schemas(write('twice', text)).ok)
})
