import type { KubernetesObject } from '../chart.ts'
import { containersOf, eachContainer, eachPod, given, nameOf, ofKind, podsOf, selects, serverEnv, serverOf, servicesWith, type PodTemplate, type Rule } from './objects.ts'

/** `Secret a` and the like that a pod cannot start without. */
function neededBy (pod: PodTemplate): string[] {
  const environment = containersOf(pod).flatMap(({ env = [], envFrom = [] }) => [...env.map(({ valueFrom }: any) => valueFrom ?? {}), ...envFrom])
  return [
    ...environment.flatMap(({ secretKeyRef, secretRef, configMapKeyRef, configMapRef }: any) => [...[secretKeyRef, secretRef].map((ref) => ref && `Secret ${ref.name}`), ...[configMapKeyRef, configMapRef].map((ref) => ref && `ConfigMap ${ref.name}`)]),
    ...(pod.spec.volumes ?? []).flatMap(({ configMap, secret }: any) => [configMap && `ConfigMap ${configMap.name}`, secret && `Secret ${secret.secretName}`]),
    pod.spec.serviceAccountName && `ServiceAccount ${pod.spec.serviceAccountName}`
  ].filter(Boolean)
}

/** What an object is, or makes. */
const provided = (object: KubernetesObject): string => object.kind === 'ExternalSecret' ? `Secret ${object.spec.target.name}` : nameOf(object)
const weightOf = ({ metadata }: KubernetesObject): number => Number(metadata.annotations?.['helm.sh/hook-weight'] ?? 0)
const isHook = ({ metadata }: KubernetesObject): boolean => /pre-/.test(metadata.annotations?.['helm.sh/hook'] ?? '')

/** What pods need is rendered, or is among `external`, which somebody else makes. */
export const present = (external: string[]): Rule => (objects) => {
  const there = new Set([...objects.map(provided), ...external])
  return podsOf(objects).flatMap((pod) => neededBy(pod).filter((name) => !there.has(name)).map((name) => `${nameOf(pod.owner)} needs ${name}, which nobody makes`))
}

export const references: Record<string, Rule> = {
  // Hooks run before all ordinary objects are made.
  hookOrder: (objects) => podsOf(objects).filter(({ owner }) => isHook(owner)).flatMap((pod) =>
    objects.filter((object) => neededBy(pod).includes(provided(object)) && !(isHook(object) && weightOf(object) < weightOf(pod.owner)))
      .map((object) => `${nameOf(pod.owner)} runs before ${nameOf(object)} is there`)),

  portNames: eachContainer(({ ports = [], ...container }) => ['startupProbe', 'livenessProbe', 'readinessProbe'].map((probe) => container[probe]?.httpGet?.port)
    .flatMap((port) => given(port !== undefined && !ports.some(({ name }: any) => name === port), `is asked at port ${port}, which it lacks`))),

  servicePorts: (objects) => ofKind(objects, 'Service').flatMap((service) => service.spec.ports
    .filter(({ targetPort }: any) => !serverOf(objects).container.ports.some(({ name }: any) => name === targetPort))
    .map(({ targetPort }: any) => `${nameOf(service)} leads to port ${targetPort}, which the server lacks`)),

  backends: (objects) => {
    const ports = ofKind(objects, 'Service').flatMap(({ metadata, spec }) => spec.ports.filter(({ name }: any) => name === 'http').flatMap(({ name, port }: any) => [`${metadata.name} ${name}`, `${metadata.name} ${port}`]))
    return ofKind(objects, 'Ingress', 'HTTPRoute').flatMap((route) => backendsOf(route).filter((backend) => !ports.includes(backend)).map((backend) => `${nameOf(route)} leads to ${backend}, which is not the server's Service at its http port`))
  },

  mounts: eachPod((pod) => containersOf(pod).flatMap(({ name, volumeMounts = [] }) => volumeMounts.filter((mount: any) => !pod.spec.volumes?.some((volume: any) => volume.name === mount.name)).map((mount: any) => `${name} mounts ${mount.name}, which is no volume`))),

  // A file mounted by subPath never changes, and the allowlist is followed.
  allowlistFolder: (objects) => serverOf(objects).container.volumeMounts.filter(({ name, subPath }: any) => name === 'allowlist' && subPath !== undefined).map(() => 'the allowlist is mounted by subPath'),

  duplicates: eachPod((pod) => [
    ...twice(pod.spec.volumes, 'name').map((name) => `has volume ${name} twice`),
    ...containersOf(pod).flatMap((container) => [
      ...twice(container.env, 'name').map((name) => `${container.name} has variable ${name} twice`),
      ...twice(container.ports, 'containerPort').map((port) => `${container.name} has port ${port} twice`),
      ...twice(container.volumeMounts, 'mountPath').map((path) => `${container.name} has ${path} mounted twice`)
    ])
  ]),

  // The Secret that the chart makes has the keys that are asked of it.
  secretKeys: (objects) => podsOf(objects).flatMap((pod) => containersOf(pod).flatMap(({ env = [] }) => env).flatMap(({ valueFrom }: any) => {
    const { name, key } = valueFrom?.secretKeyRef ?? {}
    const source = objects.find((object) => name !== undefined && provided(object) === `Secret ${name}`)
    const keys = source?.kind === 'ExternalSecret' ? source.spec.data.map(({ secretKey }: any) => secretKey) : Object.keys(source?.stringData ?? {})
    return given(source !== undefined && !keys.includes(key), `${nameOf(pod.owner)} wants ${key} of ${name}, which has none`)
  })),

  // Whatever is turned on can be reached, and reaches what it needs.
  reach: (objects) => {
    const policy = ofKind(objects, 'NetworkPolicy').find(({ spec }) => selects(spec.podSelector, serverOf(objects).deployment.spec.template.metadata.labels))?.spec
    if (policy === undefined) return []
    const letsIn = (port: string, isPeer: (peer: any) => boolean): boolean => policy.ingress.some(({ ports, from }: any) => ports.some((asked: any) => asked.port === port) && (from === undefined || from.some(isPeer)))
    const isElsewhere = ({ namespaceSelector, ipBlock }: any): boolean => namespaceSelector !== undefined || ipBlock !== undefined
    const env = serverEnv(objects)
    const wanted = [...['OAUTH_ISSUER', 'OAUTH_JWKS_URL'].flatMap((name) => env[name] === undefined ? [] : [new URL(env[name])]).map(({ port }) => Number(port || 443)), ...env.EGRESS_HOSTS === undefined ? [] : [443]]
    return [
      ...ofKind(objects, 'Ingress', 'HTTPRoute').flatMap((route) => given(!letsIn('http', isElsewhere), `${nameOf(route)} leads to pods that let nobody from elsewhere in`)),
      ...servicesWith(objects, 'http').flatMap((service) => given(service.spec.type !== 'ClusterIP' && !letsIn('http', ({ ipBlock }) => ipBlock !== undefined), `${nameOf(service)} leads to pods that let no client in`)),
      ...ofKind(objects, 'ServiceMonitor', 'PodMonitor').flatMap((monitor) => given(!letsIn('metrics', isElsewhere), `${nameOf(monitor)} asks pods that let no Prometheus in`)),
      ...wanted.filter((wantedPort) => !policy.egress.some(({ ports }: any) => ports.some(({ port }: any) => port === wantedPort))).map((port) => `the server can't reach port ${port}`)
    ]
  },

  monitored: (objects) => ofKind(objects, 'ServiceMonitor', 'PodMonitor').flatMap((monitor) => {
    const isService = monitor.kind === 'ServiceMonitor'
    const ports = isService ? ofKind(objects, 'Service').filter(({ metadata }) => selects(monitor.spec.selector, metadata.labels)).flatMap(({ spec }) => spec.ports) : serverOf(objects).container.ports
    return (monitor.spec.endpoints ?? monitor.spec.podMetricsEndpoints).filter(({ port }: any) => !ports.some(({ name }: any) => name === port)).map(({ port }: any) => `${nameOf(monitor)} finds no port ${port}`)
  })
}

function backendsOf ({ kind, spec }: KubernetesObject): string[] {
  if (kind === 'HTTPRoute') return spec.rules.flatMap(({ backendRefs }: any) => backendRefs.map(({ name, port }: any) => `${name} ${port}`))
  return spec.rules.flatMap(({ http }: any) => http.paths.map(({ backend }: any) => `${backend.service.name} ${backend.service.port.name ?? backend.service.port.number}`))
}

function twice (entries: any[] = [], key: string): string[] {
  const keys = entries.map((entry) => String(entry[key]))
  return [...new Set(keys.filter((value, index) => keys.indexOf(value) !== index))]
}
