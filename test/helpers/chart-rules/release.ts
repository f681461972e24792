import type { KubernetesObject } from '../chart.ts'
import { containersOf, given, nameOf, ofKind, podsOf, selects, type Rule, eachContainer, eachPod, serverOf, serverEnv } from './objects.ts'

/** Kinds with the version that clusters serve today. */
const known: Record<string, string[]> = {
  v1: ['ConfigMap', 'Pod', 'Secret', 'Service', 'ServiceAccount'],
  'apps/v1': ['Deployment'],
  'autoscaling/v2': ['HorizontalPodAutoscaler'],
  'batch/v1': ['Job'],
  'external-secrets.io/v1': ['ExternalSecret', 'SecretStore'],
  'gateway.networking.k8s.io/v1': ['HTTPRoute'],
  'keda.sh/v1alpha1': ['ScaledObject', 'TriggerAuthentication'],
  'monitoring.coreos.com/v1': ['PodMonitor', 'PrometheusRule', 'ServiceMonitor'],
  'networking.k8s.io/v1': ['Ingress', 'NetworkPolicy'],
  'policy/v1': ['PodDisruptionBudget']
}
const recommended = ['helm.sh/chart', ...['name', 'instance', 'version', 'component', 'part-of', 'managed-by'].map((name) => `app.kubernetes.io/${name}`)]

/** The component of every pod that an object picks. */
const picked = (objects: KubernetesObject[], selector: any): string[] => [...new Set(podsOf(objects).filter(({ labels }) => selects(selector, labels)).map(({ labels }) => labels['app.kubernetes.io/component'] as string))].sort()

const picksTheServerAlone = (...kinds: string[]): Rule => (objects) => ofKind(objects, ...kinds).flatMap((object) => {
  const components = picked(objects, object.kind === 'Service' ? { matchLabels: object.spec.selector } : object.spec.selector)
  return given(components.join() !== 'server', `${nameOf(object)} picks ${components.join(' and ') || 'nothing'}`)
})

const autoscalers = (objects: KubernetesObject[]): KubernetesObject[] => ofKind(objects, 'HorizontalPodAutoscaler', 'ScaledObject')
const most = (objects: KubernetesObject[]): number => {
  const [scaler] = autoscalers(objects)
  return scaler === undefined ? serverOf(objects).deployment.spec.replicas : scaler.spec.maxReplicas ?? scaler.spec.maxReplicaCount
}
const share = (value: number | string, of: number): number => typeof value === 'number' ? value : Math.ceil(Number(value.replace('%', '')) * of / 100)

export const release: Record<string, Rule> = {
  kinds: (objects) => objects.filter(({ apiVersion, kind }) => known[apiVersion]?.includes(kind) !== true).map((object) => `${object.apiVersion} ${nameOf(object)} is not served`),

  // Objects that users bring along (extraObjects) are theirs.
  labels: (objects) => objects.filter(({ metadata }) => metadata.labels !== undefined).flatMap((object) => recommended.filter((label) => object.metadata.labels[label] === undefined).map((label) => `${nameOf(object)} lacks ${label}`)),

  namespaces: (objects) => objects.flatMap((object) => given(object.metadata.namespace !== objects[0]?.metadata.namespace, `${nameOf(object)} is in ${object.metadata.namespace ?? 'no namespace'}`)),

  serverPods: picksTheServerAlone('Service', 'PodDisruptionBudget', 'Deployment', 'PodMonitor'),

  scaled: (objects) => autoscalers(objects).flatMap((scaler) => given(scaler.spec.scaleTargetRef.name !== serverOf(objects).deployment.metadata.name, `${nameOf(scaler)} scales ${scaler.spec.scaleTargetRef.name}`)),

  oneScaler: (objects) => {
    const scalers = autoscalers(objects)
    const { replicas } = serverOf(objects).deployment.spec
    return [...given(scalers.length > 1, 'two autoscalers fight'), ...given(scalers.length > 0 && replicas !== undefined, 'the Deployment has replicas beside an autoscaler'), ...given(scalers.length === 0 && replicas === undefined, 'nobody says how many pods there are')]
  },

  guarded: (objects) => {
    const policies = ofKind(objects, 'NetworkPolicy')
    const open = podsOf(objects).filter(({ labels }) => !policies.some(({ spec }) => selects(spec.podSelector, labels) && ['Ingress', 'Egress'].every((type) => spec.policyTypes.includes(type))))
    return policies.length === 0 ? [] : open.map(({ owner }) => `no policy guards ${nameOf(owner)}`)
  },

  spread: (objects) => (serverOf(objects).pod.topologySpreadConstraints ?? []).flatMap(({ labelSelector, topologyKey }: any) => given(picked(objects, labelSelector).join() !== 'server', `the spread over ${topologyKey} counts other pods`)),

  images: eachContainer(({ image }) => given(!/(:[^:/@]+|@sha256:[0-9a-f]{64})$/.test(image) || image.endsWith(':latest'), `image ${image} can move`)),

  connections: (objects) => {
    const pods = most(objects) + share(serverOf(objects).deployment.spec.strategy.rollingUpdate.maxSurge, most(objects))
    return given(pods * (Number(serverEnv(objects).DB_POOL_MAX) + 4) > 150, `${pods} pods take more connections than any scenario grants`)
  },

  eviction: (objects) => ofKind(objects, 'PodDisruptionBudget').flatMap((budget) => {
    const { minReplicas, minReplicaCount } = autoscalers(objects)[0]?.spec ?? {}
    const fewest = minReplicas ?? minReplicaCount ?? serverOf(objects).deployment.spec.replicas
    const { minAvailable, maxUnavailable } = budget.spec
    return given(minAvailable === undefined ? share(maxUnavailable, fewest) < 1 : share(minAvailable, fewest) >= fewest, `${nameOf(budget)} allows no eviction`)
  }),

  // One owner for a Secret, with path and key in the store; a store that has no keys has none for any.
  externalSecrets: (objects) => {
    const all = ofKind(objects, 'ExternalSecret')
    const targets = all.map(({ spec }) => spec.target.name)
    return [
      ...all.flatMap((object) => object.spec.data.flatMap(({ secretKey, remoteRef }: any) => given(!remoteRef?.key || (!remoteRef.property && object.spec.data.some(({ remoteRef: other }: any) => other.property)), `${nameOf(object)}: ${secretKey} has no path and key`))),
      ...given(new Set(targets).size !== targets.length, 'two objects own one Secret')
    ]
  },

  // The owner of the tables is for the migration alone.
  migrationKey: eachPod((pod) => containersOf(pod).filter(({ name }) => name !== 'migrate').flatMap(({ name, env = [] }) => env.filter((variable: any) => JSON.stringify(variable).includes('MIGRATION_DATABASE_URL')).map(() => `${name} gets MIGRATION_DATABASE_URL`)))
}
