import { only, type KubernetesObject } from './chart.ts'
import { serverOf } from './chart-rules/objects.ts'

type Objects = KubernetesObject[]

/** One change to what a scenario renders that a rule must find. */
interface Mistake {
  rule: string
  scenario?: string
  /** Changes the objects, or returns others. */
  change: (objects: Objects) => Objects | undefined
  complaint: RegExp
}

/** In a change that needs no result. */
const change = (apply: (objects: Objects) => unknown) => (objects: Objects): undefined => { apply(objects) }
const container = (apply: (container: any) => unknown) => change((objects) => apply(serverOf(objects).container))
const pod = (apply: (spec: any) => unknown) => change((objects) => apply(serverOf(objects).pod))
const env = (apply: (data: Record<string, string>) => unknown) => change((objects) => apply(only(objects, 'ConfigMap', 'portcullis-env').data as Record<string, string>))
const of = (kind: string, apply: (object: any) => unknown, name?: string) => change((objects) => apply(only(objects, kind, name)))
const without = (kind: string) => (objects: Objects): Objects => objects.filter((object) => object.kind !== kind)

const ofPods: Mistake[] = [
  { rule: 'hostNamespaces', change: pod((spec) => { spec.hostPID = true }), complaint: /Deployment portcullis: has hostPID/ },
  { rule: 'hostPorts', change: container(({ ports }) => { ports[0].hostPort = 8000 }), complaint: /takes port 8000 of the host/ },
  { rule: 'volumes', change: pod(({ volumes }) => volumes.push({ name: 'root', hostPath: { path: '/' } })), complaint: /volume root is a hostPath/ },
  { rule: 'privileged', change: container(({ securityContext }) => { securityContext.privileged = true }), complaint: /is privileged/ },
  { rule: 'capabilities', change: container(({ securityContext }) => { securityContext.capabilities = { drop: ['NET_RAW'], add: ['SYS_ADMIN'] } }), complaint: /keeps capabilities[^]*adds SYS_ADMIN/ },
  { rule: 'escalation', change: of('Job', ({ spec }) => { delete spec.template.spec.containers[0].securityContext.allowPrivilegeEscalation }), complaint: /Job portcullis-migrate, migrate: may gain privileges/ },
  { rule: 'user', change: of('Pod', ({ spec }) => { spec.containers[0].securityContext.runAsUser = 1000 }, 'portcullis-test-mcp'), complaint: /test-mcp, test: does not run as 65532/ },
  { rule: 'seccomp', change: pod((spec) => { spec.securityContext = {}; spec.containers[0].securityContext.seccompProfile = { type: 'Unconfined' } }), complaint: /no seccomp profile/ },
  { rule: 'procMount', change: container(({ securityContext }) => { securityContext.procMount = 'Unmasked' }), complaint: /another \/proc/ },
  { rule: 'sysctls', change: pod(({ securityContext }) => { securityContext.sysctls = [{ name: 'kernel.msgmax', value: '1' }] }), complaint: /sets kernel.msgmax/ },
  { rule: 'probeHosts', change: container(({ livenessProbe }) => { livenessProbe.httpGet.host = '10.0.0.1' }), complaint: /livenessProbe names a host/ },
  { rule: 'readOnlyRoot', scenario: 'aws-adot-sidecar', change: pod(({ initContainers }) => { initContainers[0].securityContext.readOnlyRootFilesystem = false }), complaint: /collector: can write its root/ },
  { rule: 'noToken', change: pod((spec) => { delete spec.automountServiceAccountToken }), complaint: /gets a token/ },
  { rule: 'noServiceLinks', change: pod((spec) => { delete spec.enableServiceLinks }), complaint: /variables for other services/ },
  { rule: 'limits', change: container(({ resources }) => { delete resources.limits.memory }), complaint: /no limits of memory/ }
]

const ofReferences: Mistake[] = [
  { rule: 'present', change: without('ServiceAccount'), complaint: /Deployment portcullis needs ServiceAccount portcullis, which nobody makes/ },
  { rule: 'present', change: (objects) => objects.filter(({ metadata }) => metadata.name !== 'portcullis-env'), complaint: /needs ConfigMap portcullis-env/ }, // D2
  { rule: 'present', scenario: 'external-secrets', change: without('ExternalSecret'), complaint: /needs Secret portcullis-secrets[^]*Job portcullis-migrate needs Secret portcullis-migrations/ },
  { rule: 'hookOrder', scenario: 'external-secrets', change: of('ExternalSecret', ({ metadata }) => { metadata.annotations = {} }, 'portcullis-migrations'), complaint: /Job portcullis-migrate runs before ExternalSecret portcullis-migrations is there/ },
  { rule: 'hookOrder', change: of('Job', ({ spec }) => { spec.template.spec.serviceAccountName = 'portcullis' }), complaint: /runs before ServiceAccount portcullis is there/ },
  { rule: 'portNames', change: container(({ ports }) => ports.shift()), complaint: /is asked at port http, which it lacks/ },
  { rule: 'servicePorts', change: of('Service', ({ spec }) => { spec.ports[0].targetPort = 'web' }, 'portcullis'), complaint: /leads to port web/ },
  { rule: 'backends', scenario: 'gateway', change: of('HTTPRoute', ({ spec }) => { spec.rules[0].backendRefs[0].port = 9464 }), complaint: /leads to portcullis 9464/ },
  { rule: 'backends', scenario: 'ingress', change: of('Ingress', ({ spec }) => { spec.rules[1].http.paths[0].backend.service.name = 'other' }), complaint: /leads to other http/ },
  { rule: 'mounts', change: pod(({ volumes }) => volumes.pop()), complaint: /mounts tmp, which is no volume/ },
  { rule: 'allowlistFolder', change: container(({ volumeMounts }) => { volumeMounts[0].subPath = 'allowlist.yaml' }), complaint: /mounted by subPath/ },
  { rule: 'duplicates', change: container((server) => server.env.push({ name: 'API_KEY', value: 'x' })), complaint: /server has variable API_KEY twice/ },
  { rule: 'secretKeys', scenario: 'external-secrets', change: container((server) => server.env.push({ name: 'X', valueFrom: { secretKeyRef: { name: 'portcullis-secrets', key: 'X' } } })), complaint: /wants X of portcullis-secrets/ },
  { rule: 'reach', scenario: 'gateway', change: of('NetworkPolicy', ({ spec }) => spec.ingress[0].from.pop(), 'portcullis'), complaint: /HTTPRoute portcullis leads to pods that let nobody from elsewhere in/ },
  { rule: 'reach', scenario: 'load-balancer', change: of('NetworkPolicy', ({ spec }) => spec.ingress[0].from.pop(), 'portcullis'), complaint: /Service portcullis leads to pods that let no client in/ },
  { rule: 'reach', scenario: 'podmonitor', change: of('NetworkPolicy', ({ spec }) => spec.ingress[1].from.pop(), 'portcullis'), complaint: /PodMonitor portcullis asks pods that let no Prometheus in/ },
  { rule: 'reach', scenario: 'oauth', change: env((data) => { data.OAUTH_ISSUER = 'https://auth.example.com:8443' }), complaint: /can't reach port 8443/ },
  { rule: 'monitored', scenario: 'monitoring', change: of('ServiceMonitor', ({ spec }) => { spec.endpoints[0].port = 'prometheus' }), complaint: /finds no port prometheus/ },
  { rule: 'monitored', scenario: 'monitoring', change: of('ServiceMonitor', ({ spec }) => { spec.selector.matchLabels.app = 'x' }), complaint: /finds no port metrics/ }
]

const ofRelease: Mistake[] = [
  { rule: 'kinds', scenario: 'external-secrets', change: of('ExternalSecret', (object) => { object.apiVersion = 'external-secrets.io/v1beta1' }, 'portcullis-secrets'), complaint: /v1beta1 ExternalSecret portcullis-secrets is not served/ }, // D3
  { rule: 'labels', change: of('Service', ({ metadata }) => { delete metadata.labels['helm.sh/chart'] }, 'portcullis'), complaint: /Service portcullis lacks helm.sh\/chart/ },
  { rule: 'namespaces', change: of('Service', ({ metadata }) => { delete metadata.namespace }, 'portcullis'), complaint: /Service portcullis is in no namespace/ },
  { rule: 'serverPods', change: of('Service', ({ spec }) => { delete spec.selector['app.kubernetes.io/component'] }, 'portcullis'), complaint: /Service portcullis picks migrate and server and test/ },
  { rule: 'scaled', change: of('HorizontalPodAutoscaler', ({ spec }) => { spec.scaleTargetRef.name = 'portcullis-server' }), complaint: /scales portcullis-server/ },
  { rule: 'oneScaler', change: of('Deployment', ({ spec }) => { spec.replicas = 2 }), complaint: /replicas beside an autoscaler/ },
  { rule: 'guarded', change: of('NetworkPolicy', ({ spec }) => { spec.policyTypes = ['Ingress'] }, 'portcullis-migrate'), complaint: /no policy guards Job/ },
  { rule: 'spread', change: pod(({ topologySpreadConstraints: [first] }) => { first.labelSelector = {} }), complaint: /counts other pods/ },
  { rule: 'images', change: container((server) => { server.image = 'ghcr.io/portcullis/portcullis' }), complaint: /can move/ },
  { rule: 'connections', change: env((data) => { data.DB_POOL_MAX = '20' }), complaint: /9 pods take more connections/ },
  { rule: 'eviction', change: of('PodDisruptionBudget', ({ spec }) => { spec.maxUnavailable = 0 }), complaint: /allows no eviction/ },
  { rule: 'externalSecrets', scenario: 'external-secrets', change: of('ExternalSecret', ({ spec }) => { spec.data[1].remoteRef = { key: 'api_key' } }, 'portcullis-secrets'), complaint: /API_KEY has no path and key/ }, // D3
  { rule: 'externalSecrets', scenario: 'external-secrets', change: of('ExternalSecret', ({ spec }) => { spec.target.name = 'portcullis-secrets' }, 'portcullis-migrations'), complaint: /two objects own one Secret/ }, // D3
  { rule: 'migrationKey', change: container((server) => server.env.push({ name: 'X', valueFrom: { secretKeyRef: { name: 's', key: 'MIGRATION_DATABASE_URL' } } })), complaint: /server gets MIGRATION_DATABASE_URL/ }
]

const ofServer: Mistake[] = [
  { rule: 'variables', change: env((data) => { data.DB_POOL_SIZE = '6' }), complaint: /the server reads no DB_POOL_SIZE/ },
  { rule: 'values', change: env((data) => { data.ALLOWED_ORIGINS = '' }), complaint: /ALLOWED_ORIGINS is empty/ },
  { rule: 'boots', change: env((data) => { data.DB_POOL_MIN = '1e+06' }), complaint: /DB_POOL_MIN/ },
  { rule: 'boots', change: env((data) => { data.AUDIT_MODE = 'postgres' }), complaint: /AUDIT_MODE is set/ },
  { rule: 'boots', change: container((server) => { server.env = server.env.filter(({ name }: any) => name !== 'PORTCULLIS_SECRET') }), complaint: /PORTCULLIS_SECRET is required/ },
  { rule: 'secrets', change: env((data) => { data.API_KEY = 'kx81Qm20bvT5zR47nL' }), complaint: /ConfigMap portcullis-env has API_KEY/ },
  { rule: 'secrets', scenario: 'secret-create', change: env((data) => { data.SERVICE_DESCRIPTION = '3f2c9d1e7b8a4c5d6e0f1a2b3c4d5e6f' }), complaint: /stands elsewhere/ },
  { rule: 'probes', change: container(({ livenessProbe }) => { livenessProbe.httpGet.path = '/health' }), complaint: /would start pods again/ }, // D4
  { rule: 'grace', change: pod((spec) => { spec.terminationGracePeriodSeconds = 30 }), complaint: /killed before its grace/ },
  { rule: 'grace', change: env((data) => { delete data.SHUTDOWN_DELAY_MS }), complaint: /waits once more/ },
  { rule: 'hosts', scenario: 'ingress', change: env((data) => { data.ALLOWED_HOSTS = 'portcullis' }), complaint: /would refuse portcullis.mcp-system[^]*would refuse mcp.example.com/ },
  { rule: 'allowlist', change: of('ConfigMap', ({ data }) => { data['allowlist.yaml'] = 'allowed_tols: []' }, 'portcullis-allowlist'), complaint: /allowed_tols/ },
  { rule: 'collector', scenario: 'aws-adot-sidecar', change: pod(({ initContainers: [sidecar] }) => { sidecar.env = sidecar.env.filter(({ name }: any) => name !== 'AWS_REGION') }), complaint: /the collector lacks AWS_REGION/ },
  { rule: 'unitSuffixes', scenario: 'podmonitor', change: of('PodMonitor', ({ spec }) => spec.podMetricsEndpoints[0].metricRelabelings.pop()), complaint: /names metrics differently/ },
  { rule: 'oneWayForMetrics', scenario: 'prod', change: env((data) => { data.OTEL_METRICS_EXPORTER = 'otlp' }), complaint: /a monitor, and metrics go to otlp/ },
  { rule: 'metricsInside', scenario: 'load-balancer', change: of('Service', ({ spec }) => spec.ports.push({ name: 'metrics', port: 9464, targetPort: 'metrics' }), 'portcullis'), complaint: /Service portcullis has metrics beside something else/ },
  { rule: 'adminPort', change: of('Service', ({ spec }) => spec.ports.push({ name: 'admin', port: 8001 }), 'portcullis'), complaint: /administration port/ }
]

export const mistakes: Mistake[] = [...ofPods, ...ofReferences, ...ofRelease, ...ofServer]
