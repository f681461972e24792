/** What a cluster has, as far as the chart and helm ask for it. */
export interface Kind { group: string, version: string, kind: string, plural: string, isNamespaced: boolean }

const groups: Record<string, Record<string, string>> = {
  '/v1': { configmaps: 'ConfigMap', namespaces: 'Namespace', pods: 'Pod', secrets: 'Secret', serviceaccounts: 'ServiceAccount', services: 'Service' },
  'apps/v1': { deployments: 'Deployment', replicasets: 'ReplicaSet' }, // helm looks for the second when it waits for the first
  'autoscaling/v2': { horizontalpodautoscalers: 'HorizontalPodAutoscaler' },
  'batch/v1': { jobs: 'Job' },
  'external-secrets.io/v1': { externalsecrets: 'ExternalSecret' },
  'keda.sh/v1alpha1': { scaledobjects: 'ScaledObject' },
  'monitoring.coreos.com/v1': { prometheusrules: 'PrometheusRule', servicemonitors: 'ServiceMonitor' },
  'networking.k8s.io/v1': { ingresses: 'Ingress', networkpolicies: 'NetworkPolicy' },
  'policy/v1': { poddisruptionbudgets: 'PodDisruptionBudget' }
}

export const kinds: Kind[] = Object.entries(groups).flatMap(([groupVersion, resources]) => {
  const [group = '', version = ''] = groupVersion.split('/')
  return Object.entries(resources).map(([plural, kind]) => ({ group, version, kind, plural, isNamespaced: kind !== 'Namespace' }))
})

export const groupVersions = Object.keys(groups).map((text) => text.split('/') as [group: string, version: string])
export const kindsOf = (group: string, version: string): Kind[] => kinds.filter((kind) => kind.group === group && kind.version === version)
export const apiVersionOf = ({ group, version }: Pick<Kind, 'group' | 'version'>): string => group === '' ? version : `${group}/${version}`
/** Where objects of a group are asked for. */
export const pathOf = (group: string, version: string): string => group === '' ? `api/${version}` : `apis/${group}/${version}`
