import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { parseAllDocuments } from 'yaml'
import { selects } from './chart-rules/objects.ts'
import type { KubernetesObject } from './chart.ts'
import { folderWith } from './folder.ts'
import { startKubeApi, type KubeApi } from './kube-api/server.ts'
import { emptyDatabase } from './postgres.ts'

export interface Run { ok: boolean, output: string, kubectl: string[] }
export interface Scripts { api: KubeApi, run: (script: string) => Promise<Run> }

/** kubectl, as far as the scripts go by what it says: the settings that helm wrote, and a pod that is refused. The rest it writes down. */
const kubectl = `#!/usr/bin/env bash
printf '%s\\n' "$*" >> "$CALLS"
case "$*" in
  *'get configmap portcullis-env'*) [ -z "$LEVEL" ] && curl --silent --fail "$API/api/v1/namespaces/mcp-system/configmaps/portcullis-env" | grep --only-matching '"LOG_LEVEL":"[A-Z]*' | tail -c +14 || printf %s "$LEVEL" ;;
  *'run root '*) [ "$ADMITS" = all ] || { echo 'violates PodSecurity "restricted:latest"'; exit 1; } ;;
  *'get deployments,'*) printf %s "$LEFT" ;;
  *'--filename -') cat > /dev/null ;;
esac
`

/** Runs scripts of ci/kind with the real helm on an API stub, and a kubectl that writes down what it is asked. */
export async function kindScripts (t: Test, cluster: { left?: string, level?: string, admits?: 'all' | 'restricted' } = {}): Promise<Scripts> {
  const api = await startKubeApi(t)
  const folder = folderWith(t, {
    'bin/kubectl': kubectl,
    kubeconfig: JSON.stringify({ apiVersion: 'v1', kind: 'Config', 'current-context': 'stub', clusters: [{ name: 'stub', cluster: { server: api.url } }], contexts: [{ name: 'stub', context: { cluster: 'stub' } }] })
  })
  chmodSync(join(folder, 'bin/kubectl'), 0o755)
  chmodSync(join(folder, 'kubeconfig'), 0o600)
  symlinkSync(execFileSync('scripts/tools/helm.sh', ['--where'], { encoding: 'utf8' }).trim(), join(folder, 'bin/helm'))
  const env = {
    ...process.env,
    PATH: `${join(folder, 'bin')}:${process.env.PATH}`,
    KUBECONFIG: join(folder, 'kubeconfig'),
    HELM_DRIVER: 'sql',
    HELM_DRIVER_SQL_CONNECTION_STRING: `${await emptyDatabase(t)}?sslmode=disable`,
    API: api.url,
    CALLS: join(folder, 'calls'),
    LEFT: cluster.left ?? '',
    LEVEL: cluster.level ?? '',
    ADMITS: cluster.admits ?? 'restricted'
  }
  const run = async (script: string): Promise<Run> => {
    writeFileSync(env.CALLS, '')
    const child = spawn(script, { env, stdio: ['ignore', 'pipe', 'pipe'] }) // not spawnSync: the API is in this process
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => { output += text })
    const [code] = await once(child, 'close')
    return { ok: code === 0, output, kubectl: readFileSync(env.CALLS, 'utf8').trim().split('\n') }
  }
  return { api, run }
}

/** What the parts of the cluster job are made of. */
export interface Parts { script: string, database: string, roles: string, values: string, workflow: string, objects: KubernetesObject[] }

/** Where the parts don't fit together, a sentence each: names, keys, ports and roles that one has and another lacks. */
export function misfits ({ script, database, roles, values, workflow, objects }: Parts): string[] {
  const [service, deployment] = parseAllDocuments(database, { version: '1.1' }).map((document) => document.toJS())
  const { metadata: { labels }, spec: pod } = deployment.spec.template
  const [postgres] = pod.containers
  const secrets = new Map([...script.matchAll(/create secret generic ([\w-]+)((?:[^\n]*\\\n)*[^\n]*)/g)].map(([, name, rest]) => [name, [...(rest as string).matchAll(/--from-literal=(\w+)=/g)].map(([, key]) => key)]))
  const wanted = new Map<string, Set<string>>()
  for (const [, name, key] of JSON.stringify(objects).matchAll(/"secretKeyRef":\{"name":"([\w-]+)","key":"(\w+)"/g)) wanted.set(name as string, (wanted.get(name as string) ?? new Set()).add(key as string))
  const { value: made } = postgres.env.find(({ name }: any) => name === 'POSTGRES_DB')
  const urls = [...script.matchAll(/postgresql:\/\/(\w+):\$\w+@([\w-]+):(\d+)\/(\w+)/g)]
  const image = objects.find(({ kind }) => kind === 'Deployment')?.spec.template.spec.containers[0].image
  const policy = objects.find(({ kind }) => kind === 'NetworkPolicy')?.spec.egress.find(({ ports }: any) => ports[0].port === 5432)
  const wrong = (isWrong: boolean, sentence: string): string[] => isWrong ? [sentence] : []
  return [
    ...[...wanted].flatMap(([name, keys]) => [...keys].filter((key) => secrets.get(name)?.includes(key) !== true).map((key) => `the chart wants ${key} of the Secret ${name}, which nobody makes`)),
    ...[...roles.matchAll(/\$SECRETS\/(\w+)/g), ['', 'POSTGRES_PASSWORD']].filter(([, key]) => secrets.get('postgres')?.includes(key as string) !== true).map(([, key]) => `PostgreSQL wants ${key}, which nobody makes`),
    ...pod.volumes.filter(({ secret, configMap }: any) => (secret !== undefined && !secrets.has(secret.secretName)) || (configMap !== undefined && !script.includes(`create configmap ${configMap.name} `))).map(({ name }: any) => `the volume ${name} is of something that nobody makes`),
    ...urls.flatMap(([, role, host, port, name]) => [
      ...wrong(!roles.includes(`create role ${role} login`), `no role ${role} is made`),
      ...wrong(host !== service.metadata.name || Number(port) !== service.spec.ports[0].port, `no Service is at ${host}:${port}`),
      ...wrong(name !== made, `no database ${name} is made`)
    ]),
    ...wrong(urls.length !== 2, 'there are not two URLs, of the owner and of the server'),
    ...wrong(!selects({ matchLabels: service.spec.selector }, labels) || service.spec.ports[0].targetPort !== postgres.ports[0].name, 'the Service leads to no port of PostgreSQL'),
    ...wrong(policy?.to?.[0] === undefined || !selects(policy.to[0].podSelector, labels), 'the network policy does not let the server reach PostgreSQL'),
    ...wrong([service, deployment].some(({ metadata }) => metadata.namespace !== 'mcp-system'), 'PostgreSQL is in another namespace'),
    ...wrong(!workflow.includes(` --tag ${image} .`) || !workflow.includes(`kind load docker-image ${image} `), `the image ${image} is not the one that is built and loaded`),
    ...wrong(!/pullPolicy: Never/.test(values), 'the image would be looked for in a registry'),
    ...wrong((pod.volumes.find(({ configMap }: any) => configMap !== undefined).configMap.defaultMode & 0o111) === 0, 'the roles are not run as a program')
  ]
}
