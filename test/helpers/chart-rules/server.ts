import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { variables } from '../../../config/env.ts'
import { loadConfig } from '../../../config/load.ts'
import { parseAllowlist } from '../../../src/allowlist.ts'
import type { KubernetesObject } from '../chart.ts'
import { variablesOf } from '../collector-rules.ts'
import { containersOf, given, nameOf, ofKind, podsOf, serverEnv, serverOf, servicesWith, type Rule } from './objects.ts'

const secrets: string[] = variables.filter(([, variable]) => variable['x-secret'] === true).map(([name]) => name)
const names: string[] = variables.map(([name]) => name)
/** What Node reads, what the kubelet fills in, and the settings of a fork's tools in ci/all-on-values.yaml. */
const others = ['NODE_OPTIONS', 'POD_NAME', 'POD_IP', 'NODE_NAME', 'HOST_IP', 'CATALOG_URL', 'NODE_EXTRA_CA_CERTS']
/** Stand-ins for what comes from a Secret. */
const fromSecret: Record<string, string> = { DATABASE_URL: 'postgresql://portcullis:pw@db/shop', API_KEY: 'kx81Qm20bvT5zR47nL', PORTCULLIS_SECRET: 'p3W8sV61xYbN04qLtZ7mRk29cFhJ5dGa' }
const literal = ({ env = [] }: any): Array<{ name: string, value: string }> => env.filter(({ value }: any) => value !== undefined)

/** Everything that the server is told, as the kubelet would put it together. */
export function wholeEnv (objects: KubernetesObject[]): Record<string, string> {
  const { container } = serverOf(objects)
  const own = Object.fromEntries(literal(container).map(({ name, value }) => [name, value.replace(/\$\((\w+)\)/g, '10.0.0.1')]))
  const asked = (container.env as any[]).filter(({ valueFrom, name }) => valueFrom?.secretKeyRef !== undefined || name.endsWith('_FILE')).map(({ name }) => name.replace(/_FILE$/, ''))
  return { ...serverEnv(objects), ...Object.fromEntries(asked.map((name) => [name, fromSecret[name] ?? ''])), ...Object.fromEntries(Object.entries(own).filter(([name]) => !name.endsWith('_FILE'))) }
}

export const server: Record<string, Rule> = {
  variables: (objects) => [...Object.keys(serverEnv(objects)), ...serverOf(objects).container.env.map(({ name }: any) => name.replace(/_FILE$/, ''))]
    .filter((name) => !names.includes(name) && !others.includes(name)).map((name) => `the server reads no ${name}`),

  values: (objects) => [...Object.entries(serverEnv(objects)), ...literal(serverOf(objects).container).map(({ name, value }) => [name, value])].filter(([, value]) => value === '').map(([name]) => `${name} is empty`),

  boots: (objects) => {
    try {
      return loadConfig(wholeEnv(objects)).warnings
    } catch (error) {
      return [(error as Error).message]
    }
  },

  secrets: (objects) => [
    ...ofKind(objects, 'ConfigMap').flatMap((map) => Object.keys(map.data ?? {}).filter((key) => secrets.includes(key)).map((key) => `${nameOf(map)} has ${key}`)),
    ...podsOf(objects).flatMap((pod) => containersOf(pod).flatMap(literal).filter(({ name }) => secrets.includes(name)).map(({ name }) => `${nameOf(pod.owner)} has ${name} in the open`)),
    ...ofKind(objects, 'Secret').flatMap((secret) => Object.values(secret.stringData ?? {}).filter((value) => JSON.stringify(objects.filter((object) => object !== secret)).includes(value)).map(() => `what ${nameOf(secret)} holds stands elsewhere, too`))
  ],

  // Three purposes: wait for the boot, start a dead server again, take a pod out of rotation.
  probes: (objects) => {
    const { startupProbe, livenessProbe, readinessProbe } = serverOf(objects).container
    return [
      ...given(startupProbe?.httpGet.path !== '/livez' || livenessProbe?.httpGet.path !== '/livez', 'a database that is away would start pods again'),
      ...given(readinessProbe?.httpGet.path !== '/readyz', 'a pod without a database would get calls'),
      ...given(startupProbe?.failureThreshold * startupProbe?.periodSeconds < 30, 'the boot has less than half a minute')
    ]
  },

  grace: (objects) => {
    const { pod, container } = serverOf(objects)
    const { SHUTDOWN_GRACE_MS: grace, SHUTDOWN_DELAY_MS: delay } = serverEnv(objects)
    const wait = container.lifecycle?.preStop?.sleep?.seconds ?? 0
    return [...given(wait < 1, 'nothing waits for load balancers'), ...given(delay !== '0', 'the server waits once more'), ...given(wait + Number(grace) / 1000 + 5 > pod.terminationGracePeriodSeconds, 'the pod is killed before its grace is over')]
  },

  hosts: (objects) => {
    const allowed = (serverEnv(objects).ALLOWED_HOSTS ?? '').split(',')
    const services = servicesWith(objects, 'http').flatMap(({ metadata: { name, namespace } }) => [name, `${name}.${namespace}`, `${name}.${namespace}.svc`, `${name}.${namespace}.svc.cluster.local`])
    const routed = [...ofKind(objects, 'Ingress').flatMap(({ spec }) => spec.rules.map(({ host }: any) => host)), ...ofKind(objects, 'HTTPRoute').flatMap(({ spec }) => spec.hostnames)]
    return [...services, ...routed].filter((host) => !allowed.includes(host)).map((host) => `the server would refuse ${host}`)
  },

  allowlist: (objects) => ofKind(objects, 'ConfigMap').flatMap((map) => {
    try {
      if (map.data?.['allowlist.yaml'] !== undefined) parseAllowlist(map.data['allowlist.yaml'], 'allowlist.yaml')
      return []
    } catch (error) {
      return [(error as Error).message]
    }
  }),

  collector: (objects) => podsOf(objects).flatMap((pod) => containersOf(pod)).filter(({ name }) => name === 'collector').flatMap((sidecar) => {
    const text = ofKind(objects, 'ConfigMap').find(({ data }) => data?.['config.yaml'] !== undefined)?.data?.['config.yaml'] ?? ''
    const set: string[] = sidecar.env.map(({ name }: any) => name)
    const withoutDefault = variablesOf(text).filter((name) => text.includes(`\${env:${name}}`))
    return [...given(sidecar.restartPolicy !== 'Always', 'the collector ends before the server starts'), ...withoutDefault.filter((name) => !set.includes(name)).map((name) => `the collector lacks ${name}`)]
  }),

  // As Prometheus scrapes the server elsewhere, or dashboards and alerts would find nothing.
  unitSuffixes: (objects) => ofKind(objects, 'ServiceMonitor', 'PodMonitor').flatMap((monitor) => {
    const wanted = parse(readFileSync('observability/prometheus-scrape.yaml', 'utf8')).scrape_configs[0].metric_relabel_configs
    const camel = wanted.map(({ source_labels: sourceLabels, target_label: targetLabel, regex, replacement }: any) => ({ sourceLabels, regex, targetLabel, replacement }))
    return (monitor.spec.endpoints ?? monitor.spec.podMetricsEndpoints).flatMap(({ metricRelabelings }: any) => given(JSON.stringify(metricRelabelings) !== JSON.stringify(camel), `${nameOf(monitor)} names metrics differently from observability/prometheus-scrape.yaml`))
  }),

  // Two ways for one number would count it twice; none would leave a monitor without a page.
  oneWayForMetrics: (objects) => {
    const exporter = serverEnv(objects).OTEL_METRICS_EXPORTER ?? ''
    const isMonitored = ofKind(objects, 'ServiceMonitor', 'PodMonitor').length > 0
    const hasPort = serverOf(objects).container.ports.some(({ name }: any) => name === 'metrics')
    return [...given(isMonitored && exporter !== 'prometheus', `a monitor, and metrics go to ${exporter}`), ...given(hasPort !== (exporter === 'prometheus'), 'the metrics port is not what the server serves')]
  },

  // A load balancer must not show them to the world.
  metricsInside: (objects) => servicesWith(objects, 'metrics').flatMap((service) => given(service.spec.type !== 'ClusterIP' || service.spec.ports.length > 1, `${nameOf(service)} has metrics beside something else`)),

  adminPort: (objects) => ofKind(objects, 'Service', 'Ingress', 'HTTPRoute').flatMap((object) => given(/\b8001\b/.test(JSON.stringify(object.spec)), `${nameOf(object)} leads to the administration port`))
}
