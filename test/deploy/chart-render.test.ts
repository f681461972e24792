import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { chart, defaultValues, helm, objectsIn, only, renderText, renderValues, scenarioFile, scenarioObjects, scenarios, scenarioText, whyNoHelm } from '../helpers/chart.ts'
import { serverEnv, serverOf } from '../helpers/chart-rules/objects.ts'

/** What is there whatever the values say. */
const always = ['ConfigMap', 'ConfigMap', 'Deployment', 'NetworkPolicy', 'NetworkPolicy', 'Pod', 'Pod', 'Pod', 'Service', 'Service', 'ServiceAccount']
/** A test pod that calls the server has no access token; what goes to a collector is not scraped. */
const absent: Record<string, string> = { oauth: 'Pod', 'aws-adot-sidecar': 'Service', 'networkpolicy-strict': 'Service', 'otel-agent': 'Service', 'otel-operator': 'Service' }
const alwaysIn = (name: string): string[] => absent[name] === undefined ? always : always.toSpliced(always.indexOf(absent[name]), 1)
/** What each scenario must have beside it (its name says why), and nothing else. */
const expected: Record<string, string[]> = {
  'all-on': ['ConfigMap', 'ConfigMap', 'ConfigMap', 'ConfigMap', 'ExternalSecret', 'ExternalSecret', 'HTTPRoute', 'HorizontalPodAutoscaler', 'Ingress', 'Job', 'NetworkPolicy', 'PodDisruptionBudget', 'PrometheusRule', 'SecretStore', 'ServiceMonitor'],
  'aws-adot-sidecar': ['ConfigMap', 'HorizontalPodAutoscaler', 'Job', 'NetworkPolicy', 'PodDisruptionBudget'],
  default: ['HorizontalPodAutoscaler', 'Job', 'NetworkPolicy', 'PodDisruptionBudget'],
  'existing-secret': ['HorizontalPodAutoscaler', 'Job', 'NetworkPolicy', 'PodDisruptionBudget'],
  oauth: ['HorizontalPodAutoscaler', 'Job', 'NetworkPolicy', 'PodDisruptionBudget'],
  'external-secrets': ['ExternalSecret', 'ExternalSecret', 'HorizontalPodAutoscaler', 'Job', 'NetworkPolicy', 'PodDisruptionBudget'],
  gateway: ['HTTPRoute', 'HorizontalPodAutoscaler', 'Job', 'NetworkPolicy', 'PodDisruptionBudget'],
  'hpa-custom-metric': ['HorizontalPodAutoscaler', 'Job', 'NetworkPolicy', 'PodDisruptionBudget'],
  ingress: ['HorizontalPodAutoscaler', 'Ingress', 'Job', 'NetworkPolicy', 'PodDisruptionBudget'],
  'key-vault': ['ExternalSecret', 'ExternalSecret', 'HorizontalPodAutoscaler', 'Job', 'NetworkPolicy', 'PodDisruptionBudget'],
  'load-balancer': ['HorizontalPodAutoscaler', 'Job', 'NetworkPolicy', 'PodDisruptionBudget'],
  keda: ['Job', 'NetworkPolicy', 'PodDisruptionBudget', 'ScaledObject', 'TriggerAuthentication'],
  'migrations-init': ['ExternalSecret', 'ExternalSecret', 'HorizontalPodAutoscaler', 'PodDisruptionBudget'],
  monitoring: ['ConfigMap', 'HorizontalPodAutoscaler', 'Job', 'NetworkPolicy', 'PodDisruptionBudget', 'PrometheusRule', 'ServiceMonitor'],
  'networkpolicy-strict': ['HorizontalPodAutoscaler', 'Job', 'NetworkPolicy', 'PodDisruptionBudget'],
  'otel-agent': ['HorizontalPodAutoscaler', 'Job', 'NetworkPolicy', 'PodDisruptionBudget'],
  'otel-operator': ['HorizontalPodAutoscaler', 'Job', 'NetworkPolicy', 'PodDisruptionBudget'],
  podmonitor: ['HorizontalPodAutoscaler', 'Job', 'NetworkPolicy', 'PodDisruptionBudget', 'PodMonitor'],
  prod: ['ConfigMap', 'ExternalSecret', 'ExternalSecret', 'HorizontalPodAutoscaler', 'Ingress', 'Job', 'NetworkPolicy', 'PodDisruptionBudget', 'PrometheusRule', 'ServiceMonitor'],
  'secret-create': ['Job', 'NetworkPolicy', 'Secret']
}

/** A copy of the chart with a file changed. */
function chartWith (file: string, change: (text: string) => string): string {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-chart-'))
  cpSync(chart, folder, { recursive: true })
  writeFileSync(join(folder, file), change(readFileSync(join(folder, file), 'utf8')))
  t.teardown(() => { rmSync(folder, { recursive: true }) })
  return folder
}

t.test('helm lint --strict finds nothing in any scenario', { skip: whyNoHelm }, async (t) => {
  for (const name of scenarios) t.same(lintErrors(chart, scenarioFile(name)), [], name)
  t.ok(lintErrors(chartWith('templates/service.yaml', (text) => text.replace('spec:', 'spec: {')), scenarioFile('default')).length > 0, 'a file that is no YAML fails')
  t.ok(lintErrors(chartWith('Chart.yaml', (text) => text.replace('version: 0.1.0', 'version: one')), scenarioFile('default')).length > 0, 'so does a version that is none')
})

function lintErrors (folder: string, values: string): string[] {
  const { ok, output, errors } = helm(['lint', '--strict', folder, '-f', values])
  return ok ? [] : [output + errors]
}

t.test('each scenario renders the objects that it is for, and no others', { skip: whyNoHelm }, async (t) => {
  t.same(scenarios, Object.keys(expected).sort())
  for (const name of scenarios) t.same(kindsOf(scenarioText(name)), [...alwaysIn(name), ...expected[name] ?? []].sort(), name)
})

const kindsOf = (text: string): string[] => objectsIn(text).map(({ kind }) => kind).sort()

t.test('every template is rendered by some scenario', { skip: whyNoHelm }, async (t) => {
  const sources = new Set(scenarios.flatMap((name) => [...scenarioText(name).matchAll(/^# Source: portcullis\/(.+)$/gm)].map(([, file]) => file)))
  const templates = ['templates', 'templates/tests'].flatMap((folder) => readdirSync(join(chart, folder)).filter((file) => file.endsWith('.yaml')).map((file) => `${folder}/${file}`))
  t.same(templates.filter((file) => !sources.has(file)), ['templates/validate.yaml'], 'but that which only refuses')
})

t.test('what is rendered twice is the same, whatever the release is called', { skip: whyNoHelm }, async (t) => {
  for (const name of scenarios) t.equal(renderText(scenarioFile(name)), scenarioText(name), name)
  const other = objectsIn(renderText(scenarioFile('default'), { release: 'blue' }))
  t.same(other.map(({ metadata }) => metadata.name).filter((name) => !name.startsWith('blue-portcullis')), [], 'two releases fit into one namespace')
  t.equal(only(other, 'Deployment').spec.selector.matchLabels['app.kubernetes.io/instance'], 'blue')
})

t.test('a cluster that is too old is refused, and another chart may have this one below it', { skip: whyNoHelm }, async (t) => {
  t.throws(() => renderText(scenarioFile('default'), { kubeVersion: '1.29.0' }), /incompatible with Kubernetes v1.29.0/)
  const parent = mkdtempSync(join(tmpdir(), 'portcullis-parent-'))
  t.teardown(() => { rmSync(parent, { recursive: true }) })
  writeFileSync(join(parent, 'Chart.yaml'), 'apiVersion: v2\nname: parent\nversion: 1.0.0\n')
  writeFileSync(join(parent, 'values.yaml'), 'global: {team: platform}\nportcullis: {env: {LOG_LEVEL: debug}}\n')
  cpSync(chart, join(parent, 'charts/portcullis'), { recursive: true })
  const objects = objectsIn(renderText(join(parent, 'values.yaml'), { from: parent, release: 'all' }))
  t.equal(only(objects, 'ConfigMap', 'all-portcullis-env').data?.LOG_LEVEL, 'debug')
})

t.test('the production file is short and renders', { skip: whyNoHelm }, async (t) => {
  const file = join(chart, 'values-prod.yaml')
  t.ok(readFileSync(file, 'utf8').trim().split('\n').length <= 12)
  t.ok(kindsOf(renderText(file)).includes('ExternalSecret'))
})

t.test('the documented command renders what the server needs: one Secret for it, one for the migration', { skip: whyNoHelm }, async (t) => {
  const secrets = scenarioObjects('external-secrets').filter(({ kind }) => kind === 'ExternalSecret')
  t.same(Object.fromEntries(secrets.map(({ spec }) => [spec.target.name, spec.data.map(({ secretKey, remoteRef }: any) => `${secretKey} ${remoteRef.key} ${remoteRef.property}`)])), {
    'portcullis-secrets': ['DATABASE_URL mcp-server/database database_url', 'API_KEY mcp-server/auth api_key', 'PORTCULLIS_SECRET mcp-server/auth portcullis_secret'],
    'portcullis-migrations': ['MIGRATION_DATABASE_URL mcp-server/migrations database_url', 'DATABASE_URL mcp-server/database database_url']
  })
})

t.test('a secret that no pod takes is left in the store, one of your tools is fetched', { skip: whyNoHelm }, async (t) => {
  const tools = { remoteKey: 'tools', data: [{ secretKey: 'CATALOG_TOKEN', property: 'token' }] }
  const objects = renderValues({
    env: { AUTH_MODE: 'oauth', OAUTH_ISSUER: 'https://auth.example.com', OAUTH_RESOURCE: 'https://mcp.example.com/mcp' },
    secret: { keys: ['DATABASE_URL', 'PORTCULLIS_SECRET'] },
    networkPolicy: { egress: { https: true } },
    externalSecrets: { enabled: true, refreshInterval: '0', secrets: [...defaultValues().externalSecrets.secrets, tools] }
  })
  const { refreshInterval, data } = only(objects, 'ExternalSecret', 'portcullis-secrets').spec
  t.same(data.map(({ secretKey }: any) => secretKey), ['DATABASE_URL', 'PORTCULLIS_SECRET', 'CATALOG_TOKEN'])
  t.equal(refreshInterval, '0')
})

t.test('names that YAML reads as something else stay names', { skip: whyNoHelm }, async (t) => {
  const objects = renderValues({ serviceAccount: { name: '123' }, priorityClassName: '1e3', allowlist: { existingConfigMap: '007' }, secret: { existingSecret: 'null' }, commonLabels: { build: '1e3' }, fullnameOverride: 'tools' }, { release: '123' })
  const { pod } = serverOf(objects)
  t.match(pod, { serviceAccountName: '123', priorityClassName: '1e3' })
  t.match(pod.volumes[0], { configMap: { name: '007' } })
  t.equal(only(objects, 'ServiceAccount').metadata.name, '123')
  t.match(only(objects, 'Deployment'), { metadata: { name: 'tools', labels: { 'app.kubernetes.io/instance': '123', build: '1e3' } }, spec: { selector: { matchLabels: { 'app.kubernetes.io/instance': '123' } } } })
  t.match(only(objects, 'Job').spec.template.spec.containers[0].env.at(-1), { valueFrom: { secretKeyRef: { name: 'null' } } })
})

t.test('a policy lets in who is named, and to the metrics not those who call', { skip: whyNoHelm }, async (t) => {
  const { ingress, egress } = only(scenarioObjects('networkpolicy-strict'), 'NetworkPolicy', 'portcullis').spec
  t.same(ingress.map(({ ports, from }: any) => [ports[0].port, JSON.stringify(from).match(/agent|observability/)?.[0]]), [['http', 'agent']])
  t.same(egress[0].ports.map(({ port }: any) => port), [6432, 5432])
  const scraped = only(renderValues({ networkPolicy: { ingress: { sameNamespace: false, from: [{ podSelector: {} }], monitoringFrom: [{ namespaceSelector: {} }] } } }), 'NetworkPolicy', 'portcullis').spec.ingress
  t.same(scraped.map(({ ports, from }: any) => [ports[0].port, from.at(-1)]), [['http', { podSelector: {} }], ['metrics', { namespaceSelector: {} }]])
})

t.test('what is turned on is let in and out, until somebody says from where and where to', { skip: whyNoHelm }, async (t) => {
  const { ingress, egress } = only(renderValues({
    env: { AUTH_MODE: 'api-key,oauth', OAUTH_ISSUER: 'https://auth.example.com:8443/realms/a', OAUTH_RESOURCE: 'https://mcp.example.com/mcp', EGRESS_HOSTS: 'api.example.com' },
    ingress: { enabled: true, hosts: [{ host: 'mcp.example.com' }] },
    metrics: { serviceMonitor: { enabled: true } },
    networkPolicy: { ingress: { sameNamespace: false } },
    tests: { enabled: false }
  }), 'NetworkPolicy', 'portcullis').spec
  t.same(ingress.map(({ ports, from }: any) => [ports[0].port, from]), [['http', [{ namespaceSelector: {} }]], ['metrics', [{ namespaceSelector: {} }]]])
  t.same(egress.map(({ ports }: any) => ports.map(({ port }: any) => port)), [[53, 53], [5432], [443, 8443]])
  const outside = only(renderValues({ service: { type: 'NodePort' } }), 'NetworkPolicy', 'portcullis').spec.ingress
  t.same(outside[0], { ports: [{ port: 'http', protocol: 'TCP' }] })
  t.same(only(renderValues({ otelOperator: { enabled: true, name: 'a' } }), 'NetworkPolicy', 'portcullis').spec.egress[2].ports.map(({ port }: any) => port), [4317, 4318])
})

t.test('the allowlist of a checkout goes in as it is', { skip: whyNoHelm }, async (t) => {
  const text = readFileSync('config/allowlist.yaml', 'utf8')
  t.equal(only(renderValues({ allowlist: { text } }), 'ConfigMap', 'portcullis-allowlist').data?.['allowlist.yaml'], text)
  t.equal(helm(['template', 'portcullis', chart, '--set-file', 'allowlist.text=config/allowlist.yaml']).output.includes(text.trim().split('\n').map((line) => line === '' ? '' : `    ${line}`).join('\n')), true)
})

t.test('the server is told nothing that it, or its collector, can not do', { skip: whyNoHelm }, async (t) => {
  const logs = (values: object): string | undefined => serverEnv(renderValues(values)).OTEL_LOGS_EXPORTER
  const aws = { enabled: true, region: 'eu-west-1' }
  t.equal(logs({ adotSidecar: aws }), 'none', 'the file of AWS takes no logs')
  t.equal(logs({ adotSidecar: { ...aws, config: 'receivers: {}' } }), undefined)
  t.equal(logs({ adotSidecar: aws, env: { OTEL_LOGS_EXPORTER: 'otlp' } }), 'otlp')
  t.notOk(serverOf(renderValues({ node: { maxOldSpacePercent: null } })).container.env.some(({ name }: any) => name === 'NODE_OPTIONS'))
})

t.test('the notes say where it is, how to make the Secret, and what is missing', { skip: whyNoHelm }, async (t) => {
  const notes = (name: string, ...more: string[]): string => helm(['install', 'portcullis', chart, '-n', 'mcp-system', '--dry-run=client', '-f', scenarioFile(name), ...more]).output.split('NOTES:')[1] ?? ''
  t.match(notes('default'), /kubectl create secret generic portcullis-secrets -n mcp-system[^]*MIGRATION_DATABASE_URL=[^]*PORTCULLIS_SECRET=/)
  t.match(notes('existing-secret'), /create secret generic portcullis-credentials/)
  t.notMatch(notes('existing-secret'), /MIGRATION_DATABASE_URL=/)
  t.notMatch(notes('oauth'), /API_KEY/, 'the keys that pods take, and no others')
  t.match(notes('external-secrets'), /API_KEY from mcp-server\/auth, api_key[^]*WARNING: the cluster does not serve external-secrets.io\/v1/)
  t.match(notes('existing-secret'), /the Secret portcullis-owner\./)
  t.match(notes('key-vault'), /API_KEY from portcullis-api-key\n[^]*MIGRATION_DATABASE_URL from portcullis-owner-url \(migration\)/)
  t.match(notes('load-balancer'), /its LoadBalancer \(kubectl get service portcullis -n mcp-system\), as mcp.example.com\n/)
  t.match(notes('gateway'), /every namespace call the server\. Narrow it: networkPolicy\.ingress\.ingressNamespace, or from\n/)
  t.match(notes('podmonitor'), /every namespace read the metrics/)
  t.match(notes('default', '--set', 'service.type=NodePort'), /lets anybody call[^]*WARNING: the server refuses every name/)
  t.match(notes('default'), /WARNING: image.repository is the chart's example/)
  t.notMatch(notes('prod'), /WARNING: image/)
  t.match(notes('ingress'), /https:\/\/mcp.example.com\/mcp/)
  t.match(notes('keda'), /from 2 to 6 pods \(KEDA\)[^]*does not serve keda.sh/)
})
