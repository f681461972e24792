import { eachContainer, eachPod, given, type Rule } from './objects.ts'

// "Restricted" of the Pod Security Standards, as published; k8s-check asks Kubernetes' own evaluator the same.
// What is stricter than the standard says so.

const volumeTypes = ['configMap', 'csi', 'downwardAPI', 'emptyDir', 'ephemeral', 'persistentVolumeClaim', 'projected', 'secret']
const safeSysctls = ['kernel.shm_rmid_forced', 'net.ipv4.ip_local_port_range', 'net.ipv4.ip_unprivileged_port_start', 'net.ipv4.tcp_syncookies', 'net.ipv4.ping_group_range', 'net.ipv4.ip_local_reserved_ports', 'net.ipv4.tcp_keepalive_time', 'net.ipv4.tcp_fin_timeout', 'net.ipv4.tcp_keepalive_intvl', 'net.ipv4.tcp_keepalive_probes']
/** The user of the image. */
const uid = 65532

export const restricted: Record<string, Rule> = {
  hostNamespaces: eachPod(({ spec }) => ['hostNetwork', 'hostPID', 'hostIPC'].flatMap((field) => given(spec[field], `has ${field}`))),

  hostPorts: eachContainer(({ ports = [] }) => ports.flatMap(({ hostPort }: any) => given(hostPort, `takes port ${hostPort} of the host`))),

  volumes: eachPod(({ spec }) => (spec.volumes ?? []).flatMap(({ name, ...source }: any) => Object.keys(source).flatMap((type) => given(!volumeTypes.includes(type), `volume ${name} is a ${type}`)))),

  privileged: eachContainer(({ securityContext }) => given(securityContext?.privileged, 'is privileged')),

  capabilities: eachContainer(({ securityContext }) => {
    const { drop = [], add = [] } = securityContext?.capabilities ?? {}
    return [...given(!drop.includes('ALL'), 'keeps capabilities'), ...add.filter((name: string) => name !== 'NET_BIND_SERVICE').map((name: string) => `adds ${name}`)]
  }),

  escalation: eachContainer(({ securityContext }) => given(securityContext?.allowPrivilegeEscalation !== false, 'may gain privileges')),

  // Stricter: the number is that of the image, everywhere, as a name can't be checked under runAsNonRoot.
  user: eachContainer(({ securityContext }, { spec }) => [
    ...given((securityContext?.runAsNonRoot ?? spec.securityContext?.runAsNonRoot) !== true, 'may run as root'),
    ...given((securityContext?.runAsUser ?? spec.securityContext?.runAsUser) !== uid, `does not run as ${uid}`)
  ]),

  seccomp: eachContainer(({ securityContext }, { spec }) => given(!['RuntimeDefault', 'Localhost'].includes((securityContext?.seccompProfile ?? spec.securityContext?.seccompProfile)?.type), 'has no seccomp profile')),

  procMount: eachContainer(({ securityContext }) => given(![undefined, 'Default'].includes(securityContext?.procMount), 'has another /proc')),

  sysctls: eachPod(({ spec }) => (spec.securityContext?.sysctls ?? []).flatMap(({ name }: any) => given(!safeSysctls.includes(name), `sets ${name}`))),

  probeHosts: eachContainer((container) => ['startupProbe', 'livenessProbe', 'readinessProbe', 'lifecycle'].flatMap((place) => given(/"host":/.test(JSON.stringify(container[place] ?? {})), `${place} names a host`))),

  // Stricter than the standard, from here on.
  readOnlyRoot: eachContainer(({ securityContext }) => given(securityContext?.readOnlyRootFilesystem !== true, 'can write its root')),

  noToken: eachPod(({ spec }) => given(spec.automountServiceAccountToken !== false, 'gets a token of its service account')),

  noServiceLinks: eachPod(({ spec }) => given(spec.enableServiceLinks !== false, 'gets variables for other services')),

  limits: eachContainer(({ resources }) => ['requests', 'limits'].flatMap((side) => ['cpu', 'memory', 'ephemeral-storage'].flatMap((what) => given(resources?.[side]?.[what] === undefined, `has no ${side} of ${what}`))))
}
