import { spawnSync } from 'node:child_process'
import t from 'tap'
import { only, renderValues, scenarioObjects, whyNoHelm, type KubernetesObject } from '../helpers/chart.ts'
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
  t.same(isOptional(made), [false, false])
  t.notOk(containerIn(made).args)
  t.same(isOptional(renderValues({ externalSecrets: { enabled: true }, migrations: { existingSecret: 'owner' } })), [true, true])
})
