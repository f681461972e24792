import type { KubernetesObject } from '../chart.ts'

/** What is wrong with the objects of a release, one sentence each. */
export type Rule = (objects: KubernetesObject[]) => string[]

export interface PodTemplate { owner: KubernetesObject, labels: Record<string, string>, spec: any }

/** Pods, and what Deployments and Jobs make them from. */
export function podsOf (objects: KubernetesObject[]): PodTemplate[] {
  return objects.flatMap((owner) => {
    if (owner.kind === 'Pod') return [{ owner, labels: owner.metadata.labels, spec: owner.spec }]
    const template = owner.spec?.template
    return ['Deployment', 'Job'].includes(owner.kind) ? [{ owner, labels: template.metadata.labels, spec: template.spec }] : []
  })
}

export const containersOf = ({ spec }: PodTemplate): any[] => [...spec.initContainers ?? [], ...spec.containers]
export const ofKind = (objects: KubernetesObject[], ...kinds: string[]): KubernetesObject[] => objects.filter(({ kind }) => kinds.includes(kind))
/** Services that lead to a port of the server, by its name. */
export const servicesWith = (objects: KubernetesObject[], port: string): KubernetesObject[] => ofKind(objects, 'Service').filter(({ spec }) => spec.ports.some(({ targetPort }: any) => targetPort === port))
export const nameOf = ({ kind, metadata }: KubernetesObject): string => `${kind} ${metadata.name}`

/** A rule for each container, whose complaints begin with the owner's name. */
export const eachContainer = (check: (container: any, pod: PodTemplate) => string[]): Rule => (objects) =>
  podsOf(objects).flatMap((pod) => containersOf(pod).flatMap((container) => check(container, pod).map((text) => `${nameOf(pod.owner)}, ${container.name}: ${text}`)))

export const eachPod = (check: (pod: PodTemplate) => string[]): Rule => (objects) =>
  podsOf(objects).flatMap((pod) => check(pod).map((text) => `${nameOf(pod.owner)}: ${text}`))

export const given = (isWrong: unknown, text: string): string[] => isWrong ? [text] : []

/** The server's Deployment and its container; every release has them. */
export function serverOf (objects: KubernetesObject[]): { deployment: KubernetesObject, pod: any, container: any } {
  const deployment = ofKind(objects, 'Deployment')[0] as KubernetesObject
  const pod = deployment.spec.template.spec
  return { deployment, pod, container: pod.containers.find(({ name }: any) => name === 'server') }
}

/** What the server's ConfigMap says. */
export function serverEnv (objects: KubernetesObject[]): Record<string, string> {
  const name = serverOf(objects).container.envFrom[0].configMapRef.name
  return objects.find(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === name)?.data ?? {}
}

export const isSubset = (part: Record<string, string>, whole: Record<string, string>): boolean => Object.entries(part).every(([key, value]) => whole[key] === value)

/** Whether a label selector picks something with these labels. */
export function selects ({ matchLabels = {}, matchExpressions = [] }: any, labels: Record<string, string>): boolean {
  return isSubset(matchLabels, labels) && matchExpressions.every(({ key, operator, values }: any) => operator === 'In' && values.includes(labels[key]))
}
