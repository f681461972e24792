import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import t from 'tap'
import { parse, stringify } from 'yaml'
import { whyMissing } from '../helpers/deploy-tools.ts'
import { promtool, whyNoPrometheus } from '../helpers/prometheus.ts'

interface Service {
  image: string
  profiles?: string[]
  ports?: string[]
  volumes?: string[]
  networks: string[] | Record<string, unknown>
  restart?: string
  build?: unknown
  environment?: Record<string, string>
  command?: string[]
  healthcheck?: { test: string[] }
  depends_on?: Record<string, { condition: string }>
  [key: string]: unknown
}
interface Source { uid: string, type: string, url: string, jsonData: any }

const loader = execFileSync('scripts/tools/compose.sh', ['--where'], { encoding: 'utf8' }).trim()
const read = (path: string): any => parse(readFileSync(path, 'utf8'), { merge: true })
const compose = read('compose.yaml') as { name: string, services: Record<string, Service>, networks: Record<string, any>, volumes: Record<string, unknown> }
const services = Object.entries(compose.services)
const service = (name: string): Service => compose.services[name] as Service
const mounts = ({ volumes = [] }: Service): Array<[from: string, to: string, mode: string | undefined]> => volumes.map((volume) => volume.split(':') as [string, string, string | undefined])
const exactVersion = /:v?\d+\.\d+(\.\d+)?(-alpine|-p\d)?$/
/** host:port of a URL, with the port that a bare one means. */
const addressOf = (url: string): string => url.replace(/^\$\{env:\w+:-(.*)\}$/, '$1').replace(/^https?:\/\//, '').replace(/\/.*$/, '')
const { datasources } = read('observability/grafana/provisioning/datasources/portcullis.yaml') as { datasources: Source[] }

t.test('docker compose would take the file, every profile of it', { skip: whyMissing(existsSync(loader), 'the compose loader is not built; scripts/tools/compose.sh builds it') }, async (t) => {
  const load = (file: string): { status: number | null, stderr: string } => spawnSync(loader, [file], { encoding: 'utf8' })
  t.match(load('compose.yaml'), { status: 0 })

  const broken = join(mkdtempSync(join(tmpdir(), 'portcullis-compose-')), 'compose.yaml')
  t.teardown(() => { rmSync(dirname(broken), { recursive: true }) })
  for (const [was, is, complaint] of [['cap_drop:', 'cap_dropped:', /cap_dropped/], ['service_healthy', 'service_health', /service_health/], ['loki:/loki', 'loky:/loki', /loky/]] as const) {
    writeFileSync(broken, readFileSync('compose.yaml', 'utf8').replaceAll(was, is))
    t.match(load(broken), { status: 1, stderr: complaint })
  }
})

t.test('every service is pinned, bounded, without rights, and reachable from this machine alone', async (t) => {
  t.equal('version' in compose, false)
  for (const [name, { image, build, ports = [], ...rest }] of services) {
    if (image !== 'portcullis:local') t.match(image, exactVersion, `${name}: an exact version`)
    else t.same([build, rest.pull_policy], name === 'server' ? [{ context: '.', target: 'runtime' }, 'build'] : [undefined, 'never'], `${name}: one builds our own image, none asks a registry for it`)
    for (const port of ports) t.match(port, /^127\.0\.0\.1:\d+:\d+$/, `${name}: loopback`)
    t.match(rest, { init: true, cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'], mem_limit: /^\d+[mg]$/, cpus: Number, pids_limit: Number }, name)
    t.equal(rest.read_only, name === 'lgtm' ? undefined : true, `${name}: the image of lgtm writes into its own folders`)
    for (const key of ['privileged', 'cap_add', 'devices', 'pid', 'network_mode', 'userns_mode']) t.equal(key in rest, false, `${name}: ${key}`)
    t.notMatch(rest.user ?? '65532:65532', /^(0|root)\b/, `${name}: not root`)
  }
})

t.test('what is mounted exists, and can\'t be written', async (t) => {
  for (const [name, each] of services) {
    for (const [from, to, mode] of mounts(each)) {
      if (!from.startsWith('./')) t.ok(from in compose.volumes, `${name}: volume ${from}`)
      else {
        t.ok(existsSync(from), `${name}: ${from}`)
        t.equal(mode, 'ro', `${name}: ${to}`)
        t.equal(statSync(from).isFile(), /\.\w+$/.test(to), `${name}: a file is mounted as a file`)
      }
    }
  }
})

t.test('who waits for a healthy service waits for one that has a check and starts with it', async (t) => {
  for (const [name, { depends_on: needs = {}, profiles = [] }] of services) {
    for (const [needed, { condition }] of Object.entries(needs)) {
      const { healthcheck, restart, profiles: its } = service(needed)
      if (restart === 'no') t.equal(condition, 'service_completed_successfully', `${name}: ${needed} ends`)
      else t.match([condition, healthcheck], ['service_healthy', { test: ['CMD'] }], `${name}: ${needed} has a health check`)
      t.ok(its === undefined || (profiles.length > 0 && profiles.every((profile) => its.includes(profile))), `${needed} starts with ${name}`)
    }
  }
})

t.test('nothing gets out of the networks', async (t) => {
  const { edge, ...inner } = compose.networks
  for (const [name, options] of Object.entries(inner)) t.same(options, { internal: true }, name)
  t.same({ edge }, { edge: { driver_opts: { 'com.docker.network.bridge.enable_ip_masquerade': 'false' } } })
  for (const [name, { networks, ports }] of services) t.equal([networks].flat().some((network) => network === 'edge' || Object.hasOwn(network as object, 'edge')), ports !== undefined || name === 'replica', `${name}: a port needs it, or a server that sends telemetry`)
})

t.test('nobody is an administrator of Grafana, and it asks nobody but the stack', async (t) => {
  for (const name of ['grafana', 'lgtm']) {
    t.match(service(name).environment, {
      GF_AUTH_ANONYMOUS_ORG_ROLE: 'Viewer', GF_AUTH_DISABLE_LOGIN_FORM: 'true', GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION: 'true', GF_ANALYTICS_REPORTING_ENABLED: 'false', GF_PLUGINS_PREINSTALL_DISABLED: 'true'
    }, name)
  }
  t.same(service('grafana').environment?.GF_SECURITY_DATA_SOURCE_PROXY_WHITELIST?.split(' '), datasources.map(({ url }) => addressOf(url)))
})

t.test('the collector sends to services of the stack, and each listens where it is sent to', async (t) => {
  const { exporters, receivers } = read('collector/otelcol-grafana.yaml')
  t.same(Object.values(exporters).map((exporter) => addressOf((exporter as { endpoint: string }).endpoint)).sort(), ['loki:3100', 'prometheus:9090', 'tempo:4317'])
  t.match(read('observability/tempo.yaml'), { distributor: { receivers: { otlp: { protocols: { grpc: { endpoint: '0.0.0.0:4317' } } } } } })
  t.match(read('observability/loki.yaml'), { server: { http_listen_port: 3100 } })
  t.match(service('prometheus').command, ['--config.file=/etc/prometheus/prometheus.yaml', '--storage.tsdb.path=/prometheus', String, '--web.enable-otlp-receiver', '--web.enable-remote-write-receiver', '--enable-feature=exemplar-storage'])
  t.same(service('otelcol').ports, Object.values(receivers.otlp.protocols).map((protocol) => /\d+$/.exec((protocol as { endpoint: string }).endpoint)?.[0]).map((port) => `127.0.0.1:${port}:${port}`))
})

t.test('the data sources are services of the stack and lead to each other', async (t) => {
  t.same(datasources.map(({ uid, type, url }) => [uid, type, addressOf(url)]), [['prometheus', 'prometheus', 'prometheus:9090'], ['tempo', 'tempo', 'tempo:3200'], ['loki', 'loki', 'loki:3100']])
  t.equal(read('observability/tempo.yaml').server.http_listen_port, 3200)
  const [prometheus, tempo, loki] = datasources.map(({ jsonData }) => jsonData)
  t.equal(prometheus.exemplarTraceIdDestinations[0].datasourceUid, 'tempo', 'metrics to traces')
  t.same([tempo.tracesToLogsV2.datasourceUid, tempo.tracesToMetrics.datasourceUid, tempo.serviceMap.datasourceUid], ['loki', 'prometheus', 'prometheus'], 'traces to logs and metrics')
  t.equal(loki.derivedFields[0].datasourceUid, 'tempo', 'logs to traces')
  t.notMatch(readFileSync('observability/grafana/provisioning/datasources/portcullis.yaml', 'utf8'), /(?<!\$)\$[{_]/, 'Grafana takes a single dollar sign for a variable of the environment')
})

t.test('Grafana finds the dashboards, and opens with one of them', async (t) => {
  const [{ options, allowUiUpdates }] = read('observability/grafana/provisioning/dashboards/portcullis.yaml').providers
  t.equal(allowUiUpdates, false)
  for (const name of ['grafana', 'lgtm']) {
    const [from] = mounts(service(name)).find(([, to]) => to === options.path) ?? []
    t.equal(from, './charts/portcullis/files/dashboards', name)
    const home = service(name).environment?.GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH ?? ''
    t.ok(existsSync(home.replace(options.path, from as string)), home)
  }
})

t.test('Prometheus accepts its configuration, without the block that 2.42 does not know, and that for a scrape of the server', { skip: whyNoPrometheus }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-prometheus-'))
  t.teardown(() => { rmSync(folder, { recursive: true }) })
  const { otlp, ...config } = read('observability/prometheus.yaml')
  t.equal(otlp.translation_strategy, 'UnderscoreEscapingWithSuffixes')
  const [[rules]] = [config.rule_files]
  t.ok(mounts(service('prometheus')).some(([from, to]) => rules === `${to}/*.yaml` && from === './charts/portcullis/files/rules'), 'the rules are where it looks')
  t.same(config.scrape_configs.flatMap(({ static_configs: [{ targets }] }: { static_configs: [{ targets: string[] }] }) => targets), ['otelcol:8888'])
  writeFileSync(join(folder, 'prometheus.yaml'), stringify(config))

  for (const path of [join(folder, 'prometheus.yaml'), 'observability/prometheus-scrape.yaml']) {
    const { ok, output } = promtool('check', 'config', path)
    t.ok(ok, output)
  }
  writeFileSync(join(folder, 'prometheus.yaml'), stringify({ ...config, scrape_config: [] }))
  t.notOk(promtool('check', 'config', join(folder, 'prometheus.yaml')).ok, 'a wrong key is noticed')
})
