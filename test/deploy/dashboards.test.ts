import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { catalogue, type Metric } from '../../src/metrics.ts'
import { metricsIn } from '../helpers/promql.ts'

interface Target { refId: string, expr: string, datasource: object, legendFormat: string, exemplar: boolean, instant: boolean }
interface Panel { id: number, type: string, title: string, description?: string, datasource: object, gridPos: { x: number, y: number, w: number, h: number }, fieldConfig: { defaults: { unit?: string } }, targets: Target[] }
interface Dashboard { uid: string, title: string, description: string, schemaVersion: number, panels: Panel[], templating: { list: Array<{ name: string, type: string }> } }

const folder = 'charts/portcullis/files/dashboards'
const names = ['access', 'overview', 'runtime-db', 'tools']
const textOf = (name: string): string => readFileSync(join(folder, `${name}.json`), 'utf8')
const rules = parse(readFileSync('charts/portcullis/files/rules/portcullis.rules.yaml', 'utf8')).groups.flatMap(({ rules }: { rules: object[] }) => rules) as Array<{ record?: string, expr: string }>

const units: Record<string, string> = { s: '_seconds', ms: '_milliseconds', By: '_bytes' }

/** What Prometheus calls a metric that came by OTLP. */
function namesInPrometheus ({ name, kind, unit }: Metric, withUnit = true): string[] {
  const base = `${name.replaceAll('.', '_')}${withUnit ? units[unit] ?? '' : ''}`
  if (kind === 'histogram') return ['_bucket', '_sum', '_count'].map((end) => `${base}${end}`)
  return [kind === 'counter' || kind === 'observableCounter' ? `${base}_total` : base]
}

const metrics: Metric[] = Object.values(catalogue)
const known = new Set(metrics.flatMap((metric) => namesInPrometheus(metric)))
// Those of @opentelemetry/instrumentation-runtime-node, of Prometheus and of the collector: dashboards-live.test.ts sees whether they exist.
const ofOthers = /^(nodejs_eventloop_|v8js_|up$|traces_span_metrics_)/

t.test('there are four, and each is what its source says (npm run dashboards)', async (t) => {
  const fresh = mkdtempSync(join(tmpdir(), 'portcullis-dashboards-'))
  t.teardown(() => { rmSync(fresh, { recursive: true }) })
  execFileSync(process.execPath, ['scripts/dashboards.mjs', fresh])
  t.same(readdirSync(folder).sort(), names.map((name) => `${name}.json`))
  for (const name of names) t.equal(textOf(name), readFileSync(join(fresh, `${name}.json`), 'utf8'), name)
})

for (const name of names) {
  const dashboard = JSON.parse(textOf(name)) as Dashboard
  const { uid, title, description, schemaVersion, templating, panels } = dashboard
  const shown = panels.filter(({ type }) => type !== 'row')

  t.test(`${name} can be loaded anywhere`, async (t) => {
    t.equal(uid, `portcullis-${name}`)
    t.match(title, /^Portcullis \/ /)
    t.ok(description)
    t.equal(schemaVersion, 42)
    t.equal('id' in dashboard, false, 'an id is of one Grafana')
    t.same(templating.list.map(({ name, type }) => [name, type]).slice(0, 3), [['datasource', 'datasource'], ['job', 'query'], ['instance', 'query']])
    t.equal(templating.list.some((variable) => variable.name === 'tool'), name === 'tools')
    t.notMatch(textOf(name), /https?:\/\//, 'no absolute URL')
  })

  t.test(`every panel of ${name} says what it shows, in which unit, of which service`, async (t) => {
    for (const panel of shown) {
      t.ok((panel.description ?? '').length > 30, `${panel.title}: description`)
      t.ok(panel.fieldConfig.defaults.unit, `${panel.title}: unit`)
      t.same(panel.datasource, { type: 'prometheus', uid: '$datasource' }, panel.title)
      t.equal(new Set(panel.targets.map(({ refId }) => refId)).size, panel.targets.length, panel.title)
      for (const { expr, datasource, legendFormat } of panel.targets) {
        t.same(datasource, panel.datasource, panel.title)
        t.ok(legendFormat, `${panel.title}: legend`)
        for (const [selector] of expr.matchAll(/\w+\{[^}]*\}/g)) t.match(selector, /\{job=~"\$job", instance=~"\$instance"/, `${panel.title}: ${selector}`)
        t.equal(expr.match(/\w\{/g)?.length, metricsOf(expr).length, `${panel.title}: every metric has a selector`)
      }
    }
  })

  t.test(`latencies over time of ${name} ask for exemplars`, async (t) => {
    for (const { title, type, targets } of shown) for (const { expr, exemplar, instant } of targets) if (!instant && (/histogram_quantile/.test(expr) || type === 'heatmap')) t.equal(exemplar, true, title)
  })

  t.test(`the panels of ${name} do not cover each other`, async (t) => {
    t.equal(new Set(panels.map(({ id }) => id)).size, panels.length, 'ids')
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) => Array.from({ length: w * h }, (_, index) => `${x + index % w},${y + Math.floor(index / w)}`))
    t.equal(new Set(cells).size, cells.length)
    for (const { title, gridPos: { x, w } } of panels) t.ok(x + w <= 24, title)
  })

  t.test(`${name} reads metrics that the server has`, async (t) => {
    for (const { title, targets } of shown) for (const { expr } of targets) for (const metric of metricsIn(expr)) t.ok(known.has(metric) || ofOthers.test(metric), `${title}: ${metric}`)
  })
}

t.test('alerts and rules read metrics that the server has', async (t) => {
  const recorded = rules.flatMap(({ record }) => record ?? [])
  for (const { expr } of rules) t.ok(metricsIn(expr).length > 0, expr)
  for (const { expr } of rules) for (const metric of metricsIn(expr)) t.ok(known.has(metric) || ofOthers.test(metric) || recorded.includes(metric), metric)
})

t.test('a scrape of the server itself gives every metric the name that it has by OTLP', async (t) => {
  const [{ metric_relabel_configs: relabels }] = parse(readFileSync('observability/prometheus-scrape.yaml', 'utf8')).scrape_configs
  const relabelled = (name: string): string => (relabels as Array<{ regex: string, replacement: string }>).reduce((name, { regex, replacement }) => name.replace(new RegExp(`^(?:${regex})$`), replacement.replaceAll(/\$\{(\d)\}/g, '$$$1')), name)
  for (const metric of metrics) t.same(namesInPrometheus(metric, false).map(relabelled), namesInPrometheus(metric), metric.name)
})

t.test('dashboards, rows and panels that a page names exist', async (t) => {
  const titles = names.map((name) => JSON.parse(textOf(name)) as Dashboard).flatMap(({ title, panels }) => [title.replace('Portcullis / ', ''), ...panels.map((panel) => panel.title)])
  for (const page of ['docs/observe.md', ...readdirSync('docs/runbooks').map((name) => join('docs/runbooks', name))]) {
    const named = [...readFileSync(page, 'utf8').matchAll(/(?<!\*)\*([A-Z][^*\n]*)\*(?!\*)/g)].map(([, title]) => title as string).filter((title) => !['Explore', 'Portcullis'].includes(title))
    for (const title of named) t.ok(titles.some((actual) => actual.startsWith(title)), `${page}: ${title}`)
  }
})

t.test('files of deployment that a page names exist', async (t) => {
  for (const page of ['docs/observe.md', 'compose.yaml', 'observability/prometheus-scrape.yaml']) {
    for (const [path] of readFileSync(page, 'utf8').matchAll(/(?<![\w./-])(?:charts|collector|observability|test\/deploy|scripts|docs)\/[\w./-]*[\w/]/g)) t.ok(existsSync(path), `${page}: ${path}`)
  }
})

/** With repetition: how often a metric is read. */
function metricsOf (expr: string): string[] {
  return metricsIn(expr).flatMap((name) => expr.match(new RegExp(`\\b${name}\\b(?!")`, 'g')) ?? [])
}
