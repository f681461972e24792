import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import t from 'tap'
import { parse, stringify } from 'yaml'
import { composeProblems, mounts, networksOf, type Compose, type Service } from '../helpers/compose-rules.ts'
import { whyMissing } from '../helpers/deploy-tools.ts'
import { promtool, whyNoPrometheus } from '../helpers/prometheus.ts'

interface Source { uid: string, type: string, url: string, jsonData: any }

const loader = execFileSync('scripts/tools/compose.sh', ['--where'], { encoding: 'utf8' }).trim()
const read = (path: string): any => parse(readFileSync(path, 'utf8'), { merge: true })
const compose = read('compose.yaml') as Compose
const service = (name: string): Service => compose.services[name] as Service
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

t.test('every service is bounded, without rights, reachable from this machine alone, and waits for what it needs', async (t) => {
  t.same(composeProblems(compose), [])
})

type Change = (compose: any) => void
/** Each is one mistake, and the complaint about it. */
const mistakes: Array<[change: Change, complaint: string]> = [
  [(it) => { it.version = '3' }, 'it has a version, which nobody reads'],
  [({ services }) => { services.migrate.build = '.' }, 'migrate: one service builds our image, and no other builds any'],
  [({ services }) => { delete services.server.build }, 'server: one service builds our image, and no other builds any'],
  [({ services }) => { services.seed.pull_policy = 'missing' }, 'seed: it would ask a registry for our image'],
  [({ services }) => { delete services.postgres.cap_drop }, 'postgres: it keeps capabilities'],
  [({ services }) => { services.loki.cap_add = ['NET_ADMIN'] }, 'loki: cap_add gives it rights on this machine'],
  [({ services }) => { services.tempo.privileged = true }, 'tempo: privileged gives it rights on this machine'],
  [({ services }) => { services.otelcol.network_mode = 'host' }, 'otelcol: network_mode gives it rights on this machine'],
  [({ services }) => { services.grafana.security_opt = ['seccomp:unconfined'] }, 'grafana: it may gain privileges'],
  [({ services }) => { services.server.read_only = false }, 'server: it may write into its image'],
  [({ services }) => { services.proxy.user = '0:0' }, 'proxy: it is root'],
  [({ services }) => { delete services.replica.mem_limit }, 'replica: its memory is not limited'],
  [({ services }) => { delete services.prometheus.cpus }, 'prometheus: its processors are not limited'],
  [({ services }) => { delete services.pgbouncer.pids_limit }, 'pgbouncer: its processes are not limited'],
  [({ services }) => { services.lgtm.init = false }, 'lgtm: nobody takes in its orphans'],
  [({ services }) => { services.server.ports = ['8000:8000'] }, 'server: port 8000:8000 can be reached from outside'],
  [({ services }) => { services.grafana.ports = ['0.0.0.0:3000:3000'] }, 'grafana: port 0.0.0.0:3000:3000 can be reached from outside'],
  [({ services }) => { services.proxy.volumes = ['./compose/haproxy.conf:/usr/local/etc/haproxy/haproxy.cfg:ro'] }, 'proxy: ./compose/haproxy.conf is mounted and not there'],
  [({ services }) => { services.proxy.volumes = ['./compose/haproxy.cfg:/usr/local/etc/haproxy/haproxy.cfg'] }, 'proxy: ./compose/haproxy.cfg can be written'],
  [({ services }) => { services.proxy.volumes = ['./compose/haproxy.cfg:/usr/local/etc/haproxy:ro'] }, 'proxy: ./compose/haproxy.cfg is mounted as what it is not: a file or a folder'],
  [({ services }) => { services.server.volumes = ['/var/run/docker.sock:/var/run/docker.sock'] }, 'server: there is no volume /var/run/docker.sock'],
  [({ services }) => { delete services.postgres.healthcheck }, 'migrate: it waits for postgres, which has no health check'],
  [({ services }) => { services.migrate.depends_on.postgres.condition = 'service_started' }, 'migrate: it does not wait until postgres is healthy'],
  [({ services }) => { services.server.depends_on.seed.condition = 'service_healthy' }, 'server: it waits for seed to be healthy, which ends'],
  [({ services }) => { services.server.depends_on.pgbouncer = { condition: 'service_healthy' } }, 'server: it waits for pgbouncer, which does not start with it'],
  [({ services }) => { services.server.depends_on.cache = { condition: 'service_healthy' } }, 'server: it waits for cache, which is not there'],
  [({ networks }) => { networks.data.internal = false }, 'something gets out of the network data'],
  [({ networks }) => { networks.edge = null }, 'something gets out of the network edge'],
  [({ networks }) => { networks.egress = null }, 'something gets out of the network egress'],
  [({ services }) => { services.postgres.networks = ['data', 'edge'] }, 'postgres: it is in the network edge without a port, or has a port without it'],
  [({ services }) => { services.server.networks = ['data'] }, 'server: it is in the network edge without a port, or has a port without it'],
  [({ services }) => { services.server.networks.push('dota') }, 'server: there is no network dota'],
  [({ services }) => { services.replica.environment.LIMIT_STORE = 'postgres' }, 'replica: nobody reads the variable LIMIT_STORE']
]

t.test('each of these mistakes is found', async (t) => {
  for (const [change, complaint] of mistakes) {
    const broken = read('compose.yaml')
    change(broken)
    t.ok(composeProblems(broken).includes(complaint), complaint)
  }
})

t.test('the servers, and nothing else, get a way out with compose.egress.yaml', { skip: whyMissing(existsSync(loader), 'the compose loader is not built') }, async (t) => {
  const added = read('compose.egress.yaml') as Compose
  t.same(Object.entries(added.services).map(([name, service]) => [name, Object.keys(service), networksOf(service)]), ['server', 'replica', 'pooled'].map((name) => [name, ['networks'], ['away']]))
  t.same(Object.keys(added.networks).filter((name) => name > 'edge'), [], 'Docker leads out by the network whose name sorts first')
  t.same(Object.entries(compose.services).filter(([, { image, restart }]) => image === 'portcullis:local' && restart !== 'no').map(([name]) => name), ['server', 'replica', 'pooled'], 'all of them')
  t.match(spawnSync(loader, ['compose.yaml', 'compose.egress.yaml'], { encoding: 'utf8' }), { status: 0 })
  t.match(readFileSync('docs/deploy.md', 'utf8'), 'docker compose --file compose.yaml --file compose.egress.yaml up')
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
