import { existsSync, statSync } from 'node:fs'
import { variables } from '../../config/env.ts'

export interface Service {
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
export interface Compose { name: string, services: Record<string, Service>, networks: Record<string, any>, volumes: Record<string, unknown> }

/** What is wrong with a service, one sentence each. */
type Rule = (service: Service, name: string, compose: Compose) => string[]

const own = 'portcullis:local'
const known = new Set(variables.flatMap(([name]) => [name, `${name}_FILE`]))
const given = (isWrong: boolean, text: string): string[] => isWrong ? [text] : []

export const mounts = ({ volumes = [] }: Service): Array<[from: string, to: string, mode: string | undefined]> => volumes.map((volume) => volume.split(':') as [string, string, string | undefined])
export const networksOf = ({ networks }: Service): string[] => Array.isArray(networks) ? networks : Object.keys(networks)

const builtOnce: Rule = ({ image, build, pull_policy: pull }, name) => {
  const isBuilder = name === 'server'
  return [
    ...given((build !== undefined) !== isBuilder, 'one service builds our image, and no other builds any'),
    ...given(image === own && pull !== (isBuilder ? 'build' : 'never'), 'it would ask a registry for our image')
  ]
}

const rights: Rule = ({ cap_drop: dropped, security_opt: options, read_only: readOnly, user, ...rest }, name) => [
  ...given(JSON.stringify(dropped) !== '["ALL"]', 'it keeps capabilities'),
  ...given(JSON.stringify(options) !== '["no-new-privileges:true"]', 'it may gain privileges'),
  ...given(readOnly !== true && name !== 'lgtm', 'it may write into its image'), // that image writes into its own folders
  ...given(/^(0|root)\b/.test(String(user)), 'it is root'),
  ...['privileged', 'cap_add', 'devices', 'pid', 'ipc', 'network_mode', 'userns_mode'].filter((key) => key in rest).map((key) => `${key} gives it rights on this machine`)
]

const bounds: Rule = ({ init, mem_limit: memory, cpus, pids_limit: pids }) => [
  ...given(!/^\d+[mg]$/.test(String(memory)), 'its memory is not limited'),
  ...given(typeof cpus !== 'number', 'its processors are not limited'),
  ...given(typeof pids !== 'number', 'its processes are not limited'),
  ...given(init !== true, 'nobody takes in its orphans')
]

const loopback: Rule = ({ ports = [] }) => ports.filter((port) => !/^127\.0\.0\.1:\d+:\d+$/.test(port)).map((port) => `port ${port} can be reached from outside`)

const mounted: Rule = (service, _name, { volumes }) => mounts(service).flatMap(([from, to, mode]) => {
  if (!from.startsWith('./')) return given(!(from in volumes), `there is no volume ${from}`)
  if (!existsSync(from)) return [`${from} is mounted and not there`]
  return [
    ...given(mode !== 'ro', `${from} can be written`),
    ...given(statSync(from).isFile() !== /\.\w+$/.test(to), `${from} is mounted as what it is not: a file or a folder`)
  ]
})

const order: Rule = ({ depends_on: needs = {}, profiles = [] }, _name, { services }) => Object.entries(needs).flatMap(([needed, { condition }]) => {
  const service = services[needed]
  if (service === undefined) return [`it waits for ${needed}, which is not there`]
  const { restart, healthcheck, profiles: its } = service
  return [
    ...given(restart === 'no' && condition !== 'service_completed_successfully', `it waits for ${needed} to be healthy, which ends`),
    ...given(restart !== 'no' && condition !== 'service_healthy', `it does not wait until ${needed} is healthy`),
    ...given(restart !== 'no' && healthcheck?.test[0] !== 'CMD', `it waits for ${needed}, which has no health check`),
    ...given(its !== undefined && (profiles.length === 0 || !profiles.every((profile) => its.includes(profile))), `it waits for ${needed}, which does not start with it`)
  ]
})

/** A port needs the network that leads to this machine; so does a server that sends telemetry. */
const edge: Rule = (service, name, { networks }) => [
  ...given(networksOf(service).includes('edge') !== (service.ports !== undefined || name === 'replica'), 'it is in the network edge without a port, or has a port without it'),
  ...networksOf(service).filter((network) => !(network in networks)).map((network) => `there is no network ${network}`)
]

const settings: Rule = ({ image, environment = {} }) => image === own ? Object.keys(environment).filter((name) => !known.has(name)).map((name) => `nobody reads the variable ${name}`) : []

const rules: Rule[] = [builtOnce, rights, bounds, loopback, mounted, order, edge, settings]

/** What is wrong with a compose file, by the rules of ours; images: image-references.ts. */
export function composeProblems (compose: Compose): string[] {
  return [
    ...given('version' in compose, 'it has a version, which nobody reads'),
    ...Object.entries(compose.networks).flatMap(([name, options]) => given(name === 'edge' ? options?.driver_opts?.['com.docker.network.bridge.enable_ip_masquerade'] !== 'false' : options?.internal !== true, `something gets out of the network ${name}`)),
    ...Object.entries(compose.services).flatMap(([name, service]) => rules.flatMap((rule) => rule(service, name, compose)).map((problem) => `${name}: ${problem}`))
  ]
}
