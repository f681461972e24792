import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { parse, stringify } from 'yaml'
import { chart, helm, only, renderValues, scenarioObjects, whyNoHelm, type KubernetesObject } from '../helpers/chart.ts'
import { validate, whyNoCollector } from '../helpers/collector.ts'
import { whyMissing } from '../helpers/deploy-tools.ts'
import { promtool, whyNoPrometheus } from '../helpers/prometheus.ts'

const folder = mkdtempSync(join(tmpdir(), 'portcullis-chart-files-'))
t.teardown(() => { rmSync(folder, { recursive: true }) })
const read = (...path: string[]): string => readFileSync(join(...path), 'utf8')

t.test('the collector file of the chart is that of collector/, and reaches the sidecar whole', { skip: whyNoHelm }, async (t) => {
  t.equal(read(chart, 'files/collector/adot-aws.yaml'), read('collector/adot-aws.yaml'), 'cp collector/adot-aws.yaml charts/portcullis/files/collector/')
  t.equal(only(scenarioObjects('aws-adot-sidecar'), 'ConfigMap', 'portcullis-collector').data?.['config.yaml'], read('collector/adot-aws.yaml'))
  const own = renderValues({ adotSidecar: { enabled: true, config: 'receivers: {}\n', image: { repository: 'otel/opentelemetry-collector-contrib', tag: '0.159.0' }, healthcheck: [] } })
  t.equal(only(own, 'ConfigMap', 'portcullis-collector').data?.['config.yaml'], 'receivers: {}\n', 'unless there is another')
  t.equal(only(own, 'Deployment').spec.template.spec.initContainers[0].livenessProbe, undefined)
})

t.test('a collector takes the file with the variables that the sidecar gets', { skip: whyNoHelm || whyNoCollector }, async (t) => {
  const { env } = only(scenarioObjects('aws-adot-sidecar'), 'Deployment').spec.template.spec.initContainers[0]
  const variables = Object.fromEntries(env.map(({ name, value }: { name: string, value: string }) => [name, value]))
  const { ok, output } = validate('adot-aws.yaml', variables)
  t.ok(ok, output)
  t.notOk(validate('adot-aws.yaml', { ...variables, RESOURCE_DETECTORS: '[nowhere]' }).ok, 'a detector that there is none of is refused')
})

t.test('dashboards reach Grafana whole', { skip: whyNoHelm }, async (t) => {
  const { data = {}, metadata } = only(scenarioObjects('monitoring'), 'ConfigMap', 'portcullis-dashboards')
  t.equal(metadata.labels.grafana_dashboard, '1')
  const files = readdirSync(join(chart, 'files/dashboards'))
  t.same(Object.keys(data).sort(), files.map((file) => `portcullis-${file}`).sort())
  for (const file of files) t.same(JSON.parse(data[`portcullis-${file}`] ?? ''), JSON.parse(read(chart, 'files/dashboards', file)), file)
})

interface Rule { alert?: string, expr: string, annotations?: Record<string, string> }
const rulesOf = ({ spec }: KubernetesObject): Rule[] => spec.groups.flatMap(({ rules }: { rules: Rule[] }) => rules)
const alertOf = (object: KubernetesObject, name: string): Rule | undefined => rulesOf(object).find(({ alert }) => alert === name)

t.test('rules reach Prometheus whole, or as they are wished', { skip: whyNoHelm }, async (t) => {
  const files = parse(read(chart, 'files/rules/portcullis.rules.yaml'))
  t.same(only(scenarioObjects('all-on'), 'PrometheusRule').spec, files)

  const other = only(scenarioObjects('monitoring'), 'PrometheusRule')
  t.same([alertOf(other, 'NoTraffic'), alertOf(other, 'CollectorDown')], [undefined, undefined])
  t.equal(alertOf(other, 'ToolLatencyP95High')?.expr.match(/> 3000\n/g)?.length, 1)
  t.match(alertOf(other, 'ToolLatencyP95High')?.expr, '> 20', 'the other number is not its threshold')
  t.equal(alertOf(other, 'ErrorBudgetBurnFast')?.expr.match(/> 0\.1\n/g)?.length, 2, 'in both windows')
  t.equal(alertOf(only(scenarioObjects('prod'), 'PrometheusRule'), 'PoolSaturated')?.annotations?.runbook_url, 'https://git.example.com/portcullis/blob/main/docs/runbooks/PoolSaturated.md')
})

t.test('Prometheus takes them', { skip: whyNoHelm || whyNoPrometheus }, async (t) => {
  for (const name of ['all-on', 'monitoring', 'prod']) {
    const file = join(folder, `${name}.yaml`)
    writeFileSync(file, stringify(only(scenarioObjects(name), 'PrometheusRule').spec))
    const { ok, output } = promtool('check', 'rules', '--lint=all', '--lint-fatal', file)
    t.ok(ok, output)
  }
})

t.test('the package has what is needed and nothing of the checks', { skip: whyNoHelm }, async (t) => {
  t.ok(helm(['package', chart, '-d', folder]).ok)
  const [name] = readdirSync(folder).filter((file) => file.endsWith('.tgz'))
  const list = spawnSync('tar', ['tzf', join(folder, name ?? '')], { encoding: 'utf8' }).stdout.trim().split('\n').map((path) => path.replace('portcullis/', ''))
  for (const file of ['Chart.yaml', 'LICENSE', 'README.md', 'values.yaml', 'values.schema.json', 'values-prod.yaml', 'templates/NOTES.txt', 'templates/tests/test-mcp.yaml', 'files/rules/portcullis.rules.yaml', 'files/dashboards/access.json', 'files/collector/adot-aws.yaml']) t.ok(list.includes(file), file)
  t.same(list.filter((path) => /^(ci|tests)\//.test(path)), [])
})

t.test('versions and licence are those of the package', async (t) => {
  const { version } = JSON.parse(read('package.json'))
  const about = parse(read(chart, 'Chart.yaml'))
  t.same([about.version, about.appVersion], [version, version])
  t.equal(read(chart, 'LICENSE'), read('LICENSE'))
})

t.test('the chart runs the image as the Dockerfile makes it', { skip: whyNoHelm || whyMissing(existsSync('Dockerfile'), 'there is no Dockerfile') }, async (t) => {
  const lines = read('Dockerfile').split('\n')
  const objects = scenarioObjects('default')
  const { securityContext, containers: [server] } = only(objects, 'Deployment').spec.template.spec
  const [node, file] = only(objects, 'Job').spec.template.spec.containers[0].command
  t.ok(lines.includes(`USER ${securityContext.runAsUser}:${securityContext.runAsGroup}`), 'the same user')
  t.same([server.command, server.args], [undefined, undefined], 'the server is started as the image says')
  t.ok(lines.some((line) => line.startsWith(`ENTRYPOINT ["${node}"`)), 'the same node')
  t.ok(existsSync(file.replace('dist/', '').replace('.js', '.ts')), 'a command that there is')
})
