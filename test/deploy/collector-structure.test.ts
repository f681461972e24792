import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { complaints, variablesOf } from '../helpers/collector-rules.ts'

const files = readdirSync('collector').filter((name) => name.endsWith('.yaml'))
const read = (name: string): string => readFileSync(join('collector', name), 'utf8')
const distribution = (name: string): 'adot' | 'any' => name.startsWith('adot') ? 'adot' : 'any'

t.test('the files are those that are promised, and nothing is wrong with any', async (t) => {
  t.same(files, ['adot-aws.yaml', 'otelcol-datadog.yaml', 'otelcol-gateway.yaml', 'otelcol-grafana.yaml', 'otelcol-local.yaml'])
  for (const name of files) t.same(complaints(read(name), distribution(name)), [], name)
})

const variable = (inside: string): string => `\${${inside}}`
/** Each is one change to a file of ours and the one complaint about it. */
const mistakes: Array<[what: string, file: string, from: string | RegExp, to: string, complaint: string]> = [
  ['a receiver that is not defined', 'otelcol-local.yaml', 'receivers: [otlp]', 'receivers: [otlp, kafka]', 'receiver kafka is used and not defined'],
  ['an exporter that no pipeline uses', 'otelcol-local.yaml', /exporters: \[debug, file\]/g, 'exporters: [file]', 'exporter debug is defined and not used'],
  ['an extension that is not started', 'otelcol-local.yaml', '[health_check, zpages]', '[health_check]', 'extension zpages is defined and not used'],
  ['a connector that nothing comes out of', 'otelcol-grafana.yaml', '[otlp, span_metrics]', '[otlp]', 'receiver span_metrics is defined and not used'],
  ['a processor before memory_limiter', 'otelcol-gateway.yaml', '[memory_limiter, resource, tail_sampling]', '[resource, memory_limiter, tail_sampling]', 'pipeline traces/whole does not begin with memory_limiter'],
  ['a pipeline without processors', 'otelcol-local.yaml', 'processors: [memory_limiter]', 'processors: []', 'pipeline traces does not begin with memory_limiter'],
  ['a batch before sampling', 'adot-aws.yaml', /resource, batch\]\n {6}exporters: \[awsxray/, 'batch, resource, tail_sampling]\n      exporters: [awsxray', 'pipeline traces batches before it samples'],
  ['an exporter by its old name', 'otelcol-gateway.yaml', /otlp_http\/backend/g, 'otlphttp/backend', 'exporters: otlphttp/backend is called otlp_http today'],
  ['a connector by its old name', 'otelcol-grafana.yaml', /span_metrics/g, 'spanmetrics', 'connectors: spanmetrics is called span_metrics today'],
  ['a processor by its old name', 'otelcol-gateway.yaml', /tail_sampling/g, 'resourcedetection', 'processors: resourcedetection is called resource_detection today'],
  ['a name that ADOT has dropped', 'adot-aws.yaml', /resource_detection/g, 'resourcedetection', 'processors: the AWS distribution has no resourcedetection'],
  ['zpages for everybody', 'otelcol-local.yaml', 'localhost:55679', '0.0.0.0:55679', 'extension zpages can be reached from outside'],
  ['zpages where a variable says', 'otelcol-local.yaml', 'localhost:55679', `${variable('env:HOST:-localhost')}:55679`, 'extension zpages can be reached from outside'],
  ['health for everybody', 'otelcol-grafana.yaml', 'HEALTH_HOST:-localhost', 'HEALTH_HOST:-0.0.0.0', 'extension health_check can be reached from outside'],
  ['pprof for everybody', 'adot-aws.yaml', /^ {2}health_check:.*\n(.*)localhost:13133/m, '  pprof:\n$10.0.0.0:1777', 'extension pprof can be reached from outside'],
  ['an exporter without a queue', 'otelcol-datadog.yaml', 'sending_queue:\n      batch: {}', 'hostname: here', 'exporter datadog has no sending_queue that batches'],
  ['an exporter that gives up', 'otelcol-gateway.yaml', /(backend:[^]*retry_on_failure:\n {6}enabled: )true/, '$1false', 'exporter otlp_http/backend does not retry'],
  ['a batch processor before queues', 'otelcol-grafana.yaml', /resource, redaction\]\n {6}exporters: \[otlp_http/, 'resource, batch]\n      exporters: [otlp_http', 'pipeline logs has a batch processor; its exporters batch in their queues'],
  ['a resource key among attributes', 'otelcol-datadog.yaml', /^ {2}resource:\n {4}attributes:/m, '  attributes:\n    actions:', 'processor attributes has deployment.environment.name, which only a resource processor sees'],
  ['plain text to the world', 'otelcol-grafana.yaml', '-tempo:4317', '-tempo.example.com:4317', 'exporter otlp_grpc/tempo sends to tempo.example.com in the clear'],
  ['plain text to whatever is set', 'otelcol-grafana.yaml', variable('env:TEMPO_ENDPOINT:-tempo:4317'), variable('env:TEMPO_ENDPOINT'), 'exporter otlp_grpc/tempo sends to an unknown host in the clear'],
  ['plain text to peers elsewhere', 'otelcol-gateway.yaml', ':-otelcol-gateway}', ':-gateway.example.com}', 'exporter load_balancing/peers sends to gateway.example.com in the clear'],
  ['a collector that nobody can watch', 'otelcol-gateway.yaml', 'level: normal', 'level: none', 'the collector does not show its own metrics on port 8888'],
  ['a processor that ADOT lacks', 'adot-aws.yaml', /^ {2}batch:/m, '  redaction: {}\n  batch:', 'processors: the AWS distribution has no redaction'],
  ['a variable of the old form', 'otelcol-datadog.yaml', variable('env:DD_API_KEY'), variable('DD_API_KEY'), `${variable('DD_API_KEY')} is not ${variable('env:NAME')}`]
]

for (const [what, file, from, to, complaint] of mistakes) {
  t.test(`${what} is found`, async (t) => {
    const text = read(file)
    const broken = text.replace(from, to)
    t.not(broken, text, 'the mistake was made')
    t.ok(complaints(broken, distribution(file)).includes(complaint), { found: complaints(broken, distribution(file)) })
  })
}

t.test('the README knows every variable, and no other, and every file', async (t) => {
  const readme = readFileSync('collector/README.md', 'utf8')
  const documented = [...readme.matchAll(/^\| `([A-Z_]+)` \|/gm)].map(([, name]) => name as string)
  t.same(documented.toSorted(), [...new Set(files.flatMap((name) => variablesOf(read(name))))].toSorted())
  for (const name of files) t.match(readme, new RegExp(`^\\| \`${name}\` \\|`, 'm'), name)
})

interface Part { gomod: string, import?: string }
t.test('the checked collector is the small one, what is ADOT\'s, and the stand-ins, each part of the version of its distribution', async (t) => {
  const { dist: { version }, ...small } = parse(read('builder/light.yaml'))
  const { dist, ...checked } = parse(read('builder/full.yaml'))
  const parts = (manifest: Record<string, Part[]>): string[] => Object.entries(manifest).flatMap(([kind, parts]) => parts.map(({ gomod, import: path = gomod }) => `${kind} ${path}`))
  const versionOf = (part: string): string | undefined => part.split(' ')[2]
  t.same(parts(checked).filter((part) => !parts(small).includes(part)).map((part) => part.split('/').at(-1)).toSorted(), ['awsemfexporter', 'cumulativetodeltaprocessor v0.156.0', 'datadogconnector', 'datadogexporter'])
  t.same(parts(small).filter((part) => !parts(checked).includes(part)), [])
  t.equal(dist.version, version)
  for (const part of parts(small)) t.equal(versionOf(part), part.startsWith('providers') ? 'v1.65.0' : `v${version}`, part)
})
