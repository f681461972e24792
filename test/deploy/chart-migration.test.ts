import { spawnSync } from 'node:child_process'
import t from 'tap'
import { only, renderValues, scenarioObjects, whyNoHelm, type KubernetesObject } from '../helpers/chart.ts'
import { serverOf } from '../helpers/chart-rules/objects.ts'
import { buildServer } from '../helpers/server-process.ts'

const jobIn = (objects: KubernetesObject[]): any => only(objects, 'Job').spec
const containerIn = (objects: KubernetesObject[]): any => jobIn(objects).template.spec.containers[0]
const isOptional = (objects: KubernetesObject[]): boolean[] => containerIn(objects).env.flatMap(({ valueFrom }: any) => valueFrom?.secretKeyRef === undefined ? [] : [valueFrom.secretKeyRef.optional === true])

t.test('without its Secret the migration ends at once, is not tried again, and says how to make the Secret', { skip: whyNoHelm }, async (t) => {
  const objects = scenarioObjects('default')
  const { command: [, file, ...command], args, env } = containerIn(objects)
  const literal = Object.fromEntries(env.filter(({ value }: any) => value !== undefined).map(({ name, value }: any) => [name, value]))
  const asKubeletWrites = args.map((text: string) => text.replaceAll('$$', '$'))
  const { status, stderr } = spawnSync(process.execPath, [file.replace('dist', buildServer(t)), ...command, ...asKubeletWrites], { encoding: 'utf8', env: { PATH: process.env.PATH, ...literal } })
  t.match(stderr, /MIGRATION_DATABASE_URL or DATABASE_URL is required in production\nThe Secret portcullis-secrets names no owner/)
  const example = /^kubectl create secret generic portcullis-secrets -n mcp-system .*$/m.exec(stderr)?.[0] ?? ''
  for (const key of ['MIGRATION_DATABASE_URL', 'DATABASE_URL', 'API_KEY', 'PORTCULLIS_SECRET']) t.match(example, ` --from-literal=${key}=`)
  t.match(example, '=$(openssl rand -hex 32)')
  const { podFailurePolicy: { rules: [rule] } } = jobIn(objects)
  t.match(rule, { action: 'FailJob', onExitCodes: { containerName: 'migrate', operator: 'In' } })
  t.same(rule.onExitCodes.values, [status])
  t.same(isOptional(objects), [true, true])
})

t.test('a Secret of its own is named, and one that an operator makes is waited for', { skip: whyNoHelm }, async (t) => {
  const [, hint] = containerIn(scenarioObjects('existing-secret')).args
  t.match(hint, /kubectl create secret generic portcullis-owner -n mcp-system --from-literal=MIGRATION_DATABASE_URL=\S+ --from-literal=DATABASE_URL=\S+\n$/)
  const made = scenarioObjects('external-secrets')
  t.same(isOptional(made), [false, true])
  t.notOk(containerIn(made).args)
  t.same(isOptional(renderValues({ externalSecrets: { enabled: true }, migrations: { existingSecret: 'owner' } })), [true, true])
})

t.test('the migration has what it needs to reach its database, which the server has beside it', { skip: whyNoHelm }, async (t) => {
  const objects = scenarioObjects('key-vault')
  const { metadata, spec } = jobIn(objects).template
  t.match(metadata, { annotations: { 'sidecar.istio.io/inject': 'false' }, labels: { 'azure.workload.identity/use': 'true', 'app.kubernetes.io/component': 'migrate' } })
  t.match(spec, { affinity: serverOf(objects).pod.affinity, initContainers: [{ name: 'proxy' }], volumes: [{ name: 'tmp' }, { name: 'ca' }] })
  t.match(containerIn(objects), { volumeMounts: [{ name: 'tmp' }, { name: 'ca' }], env: [{}, {}, {}, { name: 'NODE_EXTRA_CA_CERTS' }] })

  const ca = { name: 'ca', emptyDir: {} }
  const first = { name: 'proxy', image: 'proxy:1', restartPolicy: 'Always' }
  const { pod } = serverOf(renderValues({ migrations: { mode: 'initContainer', extraVolumes: [ca], extraVolumeMounts: [{ name: 'ca', mountPath: '/ca' }] }, extraInitContainers: [first] }))
  t.match(pod.initContainers, [{ name: 'proxy' }, { name: 'migrate', volumeMounts: [{}, { name: 'ca' }] }], 'a proxy is there before the migration')
  t.match(pod.volumes.at(-1), ca)
})

t.test('its Secret has the URL of the server from where the server has it', { skip: whyNoHelm }, async (t) => {
  const sourcesOf = (externalSecrets: object, migrations: object = {}): unknown => only(renderValues({ externalSecrets: { enabled: true, ...externalSecrets }, migrations }), 'ExternalSecret', 'portcullis-migrations').spec.data.map(({ secretKey, remoteRef }: any) => [secretKey, ...Object.values(remoteRef)].join(' '))
  const owner = 'MIGRATION_DATABASE_URL mcp-server/migrations database_url'
  t.same(sourcesOf({}), [owner, 'DATABASE_URL mcp-server/database database_url'])
  const elsewhere = { remoteKey: 'shop', data: [{ secretKey: 'DATABASE_URL', property: 'url' }, { secretKey: 'API_KEY', property: 'key' }, { secretKey: 'PORTCULLIS_SECRET', property: 'secret' }] }
  t.same(sourcesOf({ secrets: [elsewhere] }), [owner, 'DATABASE_URL shop url'])
  const both = { remoteKey: 'owner', data: [{ secretKey: 'MIGRATION_DATABASE_URL', property: 'a' }, { secretKey: 'DATABASE_URL', property: 'b' }] }
  t.same(sourcesOf({ secrets: [elsewhere] }, { externalSecret: { secrets: [both] } }), ['MIGRATION_DATABASE_URL owner a', 'DATABASE_URL owner b'])
  const whole = renderValues({ externalSecrets: { enabled: true, secrets: [], dataFrom: [{ extract: { key: 'prod' } }] }, migrations: { externalSecret: { secrets: [], dataFrom: [{ extract: { key: 'owner' } }] } } })
  for (const [name, key] of [['portcullis-secrets', 'prod'], ['portcullis-migrations', 'owner']]) {
    const { data, dataFrom } = only(whole, 'ExternalSecret', name as string).spec
    t.same([data, dataFrom], [undefined, [{ extract: { key } }]])
  }
})
