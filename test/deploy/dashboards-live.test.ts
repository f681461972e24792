import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import t from 'tap'
import { parse, stringify } from 'yaml'
import { startCollector, whyNoCollector } from '../helpers/collector.ts'
import { exercisedServer } from '../helpers/every-outcome.ts'
import { prometheus, whyNoPrometheus, type Series } from '../helpers/prometheus.ts'
import { measuresIn } from '../helpers/promql.ts'
import { freePort } from '../helpers/server-process.ts'

const rulesFile = resolve('charts/portcullis/files/rules/portcullis.rules.yaml')
const dashboards = 'charts/portcullis/files/dashboards'
const deadlineMs = 80_000

interface Question { where: string, expr: string }
interface Panel { title: string, targets?: Array<{ expr: string, exemplar?: boolean }> }

const panels = readdirSync(dashboards).flatMap((file) => (JSON.parse(readFileSync(join(dashboards, file), 'utf8')).panels as Panel[]).map((panel) => ({ file, ...panel })))
const asked: Question[] = panels.flatMap(({ file, title, targets = [] }) => targets.map(({ expr }) => ({ where: `${file}, ${title}`, expr })))
const rules = parse(readFileSync(rulesFile, 'utf8')).groups.flatMap(({ rules }: { rules: object[] }) => rules) as Array<{ alert?: string, record?: string, expr: string }>
const watched: Question[] = rules.flatMap(({ alert, record, expr }) => alert === undefined ? [{ where: `rule ${record}`, expr: record as string }] : measuresIn(expr).map((measure) => ({ where: `alert ${alert}`, expr: measure })))
const isOfCollector = ({ expr }: Pick<Question, 'expr'>): boolean => expr.includes('traces_span_metrics_')

/** As Grafana fills it in, but for the zero that stands where nothing of the kind ever happened: here it did. */
const filledIn = (expr: string, job: string): string => expr.replaceAll(/ or 0 \* count\(portcullis_calls_active\{[^}]*\}\)/g, '').replaceAll('$job', job).replaceAll(/\$(?:instance|tool)\b/g, '.*').replaceAll('$__rate_interval', '1m').replaceAll('$__range', '5m')

/** Numbers of this service; NaN is what a panel shows as nothing. */
const hasData = (series: Series[], job: string): boolean => series.some(({ metric, value: [, value] }) => value !== 'NaN' && [undefined, job, 'otelcol'].includes(metric.job))

t.test('every expression of a dashboard, alert and recording rule gives data of a server that was just exercised', { skip: whyNoPrometheus || whyNoCollector }, async (t) => {
  const [scraped, collected] = [await freePort(), await freePort()]
  const collector = await startCollector(t, 'otelcol-grafana.yaml', { OTLP_HOST: '127.0.0.1' }, {
    connectors: { span_metrics: { metrics_flush_interval: '500ms' } },
    exporters: { prometheus: { endpoint: `127.0.0.1:${collected}`, enable_open_metrics: true } },
    service: { pipelines: { traces: { exporters: ['span_metrics'] }, metrics: { exporters: ['prometheus'] } } }
  })
  const { round } = await exercisedServer(t, {
    OTEL_SERVICE_NAME: 'by-otlp',
    OTEL_METRICS_EXPORTER: 'prometheus,otlp',
    OTEL_EXPORTER_PROMETHEUS_PORT: String(scraped),
    OTEL_TRACES_EXPORTER: 'otlp',
    OTEL_LOGS_EXPORTER: 'none',
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://${collector.grpc}`,
    OTEL_METRIC_EXPORT_INTERVAL: '1000'
  })
  const config = parse(readFileSync('observability/prometheus-scrape.yaml', 'utf8'))
  const [direct] = config.scrape_configs
  const at = (port: number): object => ({ static_configs: [{ targets: [`127.0.0.1:${port}`] }] })
  const { traceIdsOf, query } = await prometheus(t, stringify({
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: [rulesFile],
    scrape_configs: [{ ...direct, ...at(scraped) }, { job_name: 'collected', honor_labels: true, ...at(collected) }, { job_name: 'otelcol', ...at(await freePort()) }]
  }))

  for (const [job, how, questions] of [
    ['portcullis', 'scraped from the server', [...asked.filter((question) => !isOfCollector(question)), ...watched]],
    ['by-otlp', 'by way of a collector', [...asked, ...watched]]
  ] as const) {
    await t.test(how, async (t) => {
      let empty: Question[] = [...questions]
      for (const deadline = Date.now() + deadlineMs; empty.length > 0 && Date.now() < deadline;) {
        await round()
        const answers = await Promise.all(empty.map(async ({ expr }) => await query(filledIn(expr, job))))
        empty = empty.filter((_, index) => !hasData(answers[index] as Series[], job))
      }
      t.ok(questions.length > 60)
      t.same(empty.map(({ where, expr }) => `${where}: ${expr}`), [])
    })
  }

  await t.test('calls ended in every way that there is', async (t) => {
    const ends = await query('count by (outcome) (mcp_tool_calls_total{job="by-otlp"})')
    t.same(ends.map(({ metric }) => metric.outcome).sort(), ['cancelled', 'denied', 'error', 'input_required', 'invalid', 'limited', 'ok', 'timeout', 'tool_error', 'unavailable', 'unknown', 'withheld'])
    const reasons = await query('count by (reason) (portcullis_requests_refused_total{job="by-otlp"})')
    t.match(reasons.map(({ metric }) => metric.reason).sort(), ['overloaded', 'unauthenticated'])
  })

  await t.test('latency panels have exemplars that lead to traces', async (t) => {
    const withTraces = panels.filter(({ targets }) => targets?.some(({ expr }) => isOfCollector({ expr })))
    t.same(withTraces.map(({ file, title }) => `${file}, ${title}`), ['overview.json, Latency of calls', 'tools.json, Latency by tool, p95'])
    for (const { title, targets = [] } of withTraces) {
      let traceIds: string[] = []
      for (const deadline = Date.now() + deadlineMs; traceIds.length === 0 && Date.now() < deadline;) { // a scrape may fall between two calls
        await round()
        traceIds = (await Promise.all(targets.filter(({ exemplar }) => exemplar).map(async ({ expr }) => await traceIdsOf(filledIn(expr, 'by-otlp'))))).flat()
      }
      t.match(traceIds[0], /^[0-9a-f]{32}$/, title)
    }
  })

  await t.test('no panel needs the collector alone', async (t) => {
    for (const { file, title, targets } of panels.filter(({ targets }) => targets !== undefined)) t.ok(targets?.some(({ expr }) => !isOfCollector({ expr })), `${file}, ${title}`)
  })
})
