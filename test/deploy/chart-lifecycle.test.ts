import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { chart, helm as helmHere, scenarioFile, scenarioObjects, whyNoHelm } from '../helpers/chart.ts'
import { docBlocks } from '../helpers/doc-blocks.ts'
import { startCluster, type Cluster } from '../helpers/chart-release.ts'
import { kinds } from '../helpers/kube-api/kinds.ts'
import type { Stored } from '../helpers/kube-api/store.ts'

const wait = ['--wait', '--timeout', '60s']
const deploymentOf = ({ store }: Cluster): Stored => {
  const found = store.get(kinds.find(({ kind }) => kind === 'Deployment') as (typeof kinds)[number], 'mcp-system', 'portcullis')
  if (found === undefined) throw new Error('there is no Deployment')
  return found
}
/** What a change must leave alone if pods are not to be replaced. */
const templateOf = (cluster: Cluster): string => JSON.stringify(deploymentOf(cluster).spec.template)
const ordinary = (name: string): string[] => scenarioObjects(name).filter(({ metadata }) => metadata.annotations?.['helm.sh/hook'] === undefined).map(({ kind, metadata }) => `${kind} ${metadata.name}`).sort()

function packaged (t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-package-'))
  t.teardown(() => { rmSync(folder, { recursive: true }) })
  helmHere(['package', chart, '-d', folder])
  return join(folder, readdirSync(folder)[0] ?? '')
}

t.test('install, upgrade, test, roll back, uninstall', { skip: whyNoHelm }, async (t) => {
  const cluster = await startCluster(t)
  const pack = packaged(t)
  const upgrade = async (...set: string[]): Promise<void> => {
    const { ok, errors } = await cluster.helm('upgrade', '--install', 'portcullis', pack, '--create-namespace', '--set', ['autoscaling.enabled=false', ...set].join(','), ...wait)
    t.ok(ok, errors)
  }

  await upgrade()
  t.same(cluster.store.names(), ordinary('default').filter((name) => !name.startsWith('HorizontalPodAutoscaler')), 'everything is there, and the Job is gone, as it succeeded')
  t.ok(cluster.written.indexOf('Job portcullis-migrate') < cluster.written.indexOf('Deployment portcullis'), 'the migration came first')
  const first = templateOf(cluster)

  await upgrade('allowlist.allowedTools={search_records}', 'replicaCount=3')
  t.equal(templateOf(cluster), first, 'another allowlist and number replace no pod')
  t.equal(deploymentOf(cluster).spec.replicas, 3)
  await upgrade('allowlist.allowedTools={search_records}', 'allowlist.restartOnChange=true')
  t.not(templateOf(cluster), first, 'unless that is wished')
  await upgrade('env.LOG_LEVEL=debug')
  t.not(templateOf(cluster), first, 'another setting does')

  t.ok((await cluster.helm('test', 'portcullis')).ok, 'helm test')
  cluster.store.failing.set('portcullis-test-denied', '')
  t.notOk((await cluster.helm('test', 'portcullis')).ok, 'a test pod that fails fails it')

  t.ok((await cluster.helm('rollback', 'portcullis', '1', ...wait)).ok)
  t.equal(templateOf(cluster), first, 'all is as it was')
  t.equal(deploymentOf(cluster).spec.replicas, 2)
  t.equal(JSON.parse((await cluster.helm('history', 'portcullis', '-o', 'json')).output).length, 5)

  t.ok((await cluster.helm('uninstall', 'portcullis', ...wait)).ok)
  t.same(cluster.store.names(), ['Pod portcullis-test-denied'], 'nothing is left but the test pod that failed, for its log')
})

t.test('a migration that fails fails the upgrade, and what runs goes on as it is', { skip: whyNoHelm }, async (t) => {
  const cluster = await startCluster(t)
  t.ok((await cluster.helm('install', 'portcullis', chart, ...wait)).ok)
  const before = JSON.stringify(deploymentOf(cluster))
  cluster.store.failing.set('portcullis-migrate', 'schema is at version 3')
  const upgrade = ['upgrade', 'portcullis', chart, '--set', 'env.LOG_LEVEL=debug', ...wait]
  const { ok, errors } = await cluster.helm(...upgrade)
  t.notOk(ok)
  t.match(errors, /pre-upgrade hooks? failed/)
  t.match(errors, 'schema is at version 3', 'helm shows the log')
  t.equal(JSON.stringify(deploymentOf(cluster)), before)
  t.ok(cluster.store.names().includes('Job portcullis-migrate'), 'the Job stays for its log')

  t.notOk((await cluster.helm(...upgrade, '--rollback-on-failure')).ok)
  const history = JSON.parse((await cluster.helm('history', 'portcullis', '-o', 'json')).output) as Array<{ description: string }>
  t.match(history.at(-1)?.description, /Rollback/)
  t.equal(JSON.stringify(deploymentOf(cluster).spec), JSON.stringify(JSON.parse(before).spec))

  cluster.store.failing.clear()
  t.ok((await cluster.helm(...upgrade)).ok, 'once it is mended, the same command succeeds')
})

t.test('a first installation that fails, such as for want of a Secret, is mended by the same command', { skip: whyNoHelm }, async (t) => {
  const cluster = await startCluster(t)
  const install = ['upgrade', '--install', 'portcullis', chart, '--create-namespace', ...wait]
  cluster.store.failing.set('portcullis-migrate', 'kubectl create secret generic portcullis-secrets')
  const { ok, errors } = await cluster.helm(...install)
  t.notOk(ok)
  t.match(errors, 'kubectl create secret generic portcullis-secrets')
  cluster.store.failing.clear()
  t.ok((await cluster.helm(...install)).ok)
  t.same(cluster.store.names(), ordinary('default'))
})

t.test('the migration is let out by a policy of its own release, even before the first one', { skip: whyNoHelm }, async (t) => {
  const cluster = await startCluster(t)
  const policies = kinds.find(({ kind }) => kind === 'NetworkPolicy') as (typeof kinds)[number]
  const ports: number[] = []
  cluster.store.changes.on('change', ({ type, object }) => {
    if (type === 'ADDED' && object.kind === 'Job') ports.push(...cluster.store.get(policies, 'mcp-system', 'portcullis-migrate')?.spec.egress[1].ports.map(({ port }: any) => port))
  })
  for (const port of [5432, 6543]) t.ok((await cluster.helm('upgrade', '--install', 'portcullis', chart, '--set', `networkPolicy.egress.postgres.port=${port}`, ...wait)).ok)
  t.same(ports, [5432, 6543])
  t.notOk(cluster.store.names().includes('NetworkPolicy portcullis-migrate'), 'it goes with the Job')
})

t.test('the migration may move into the pods, and back', { skip: whyNoHelm }, async (t) => {
  const cluster = await startCluster(t)
  for (const mode of ['job', 'initContainer', 'job', 'none']) {
    const { ok, errors } = await cluster.helm('upgrade', '--install', 'portcullis', chart, '-f', scenarioFile('external-secrets'), '--set', `migrations.mode=${mode}`, ...wait)
    t.ok(ok, `${mode}: ${errors}`)
  }
  t.ok((await cluster.helm('uninstall', 'portcullis', ...wait)).ok)
  t.ok((await cluster.helm('install', 'portcullis', chart, '-f', scenarioFile('migrations-init'), ...wait)).ok, 'what uninstall left is no obstacle')
})

t.test('from the autoscaler to KEDA and back, with what docs/kubernetes.md says about the way', { skip: whyNoHelm }, async (t) => {
  const cluster = await startCluster(t)
  const autoscaler = kinds.find(({ kind }) => kind === 'HorizontalPodAutoscaler') as (typeof kinds)[number]
  const scaledBy = async (...values: string[]): Promise<unknown> => {
    const { ok, errors } = await cluster.helm('upgrade', '--install', 'portcullis', chart, '--reset-values', ...values.flatMap((value) => ['--set', value]), ...wait)
    t.ok(ok, errors)
    return [cluster.store.names().filter((name) => /Autoscaler|ScaledObject/.test(name)).join(), deploymentOf(cluster).spec.replicas]
  }
  t.same(await scaledBy(), ['HorizontalPodAutoscaler portcullis', undefined])
  t.same(await scaledBy('autoscaling.enabled=false', 'keda.enabled=true'), ['ScaledObject portcullis', undefined])
  t.same(await scaledBy('autoscaling.enabled=false'), ['', 2])
  t.same(await scaledBy(), ['HorizontalPodAutoscaler portcullis', undefined])
  cluster.store.delete(autoscaler, 'mcp-system', 'portcullis') // as KEDA does with the one that it took over, after a rollback
  t.same(await scaledBy(), ['HorizontalPodAutoscaler portcullis', undefined], 'the same command once more brings it back')
})

/** The helm commands of a document, one by one. */
const commandsIn = (document: string): string[][] => docBlocks(document).flatMap(({ code }) => code.replace(/\\\n/g, ' ').split('\n')).filter((line) => line.startsWith('helm ')).map((line) => line.split(/\s+/).slice(1))

t.test('the commands of the documents work, in their order', { skip: whyNoHelm }, async (t) => {
  const [commands, released] = [false, true].map((isReleased) => commandsIn('docs/kubernetes.md').filter((command) => command.some((word) => word.startsWith('oci://')) === isReleased)) as [string[][], string[][]]
  t.same(commands.map(([verb]) => verb), ['upgrade', 'upgrade', 'rollback'])
  const asReleased = (commands[0] ?? []).filter((word, index, all) => !/^image\./.test(word) && !/^image\./.test(all[index + 1] ?? ''))
  t.same(released.map((command) => command.filter((word) => word !== '--version' && word !== '0.1.0').map((word) => word.startsWith('oci://') ? chart : word)), [asReleased], 'a released chart has its image')
  for (const document of ['README.md', join(chart, 'README.md')]) t.same(commandsIn(document), commands.slice(0, 1), document)

  const cluster = await startCluster(t)
  const image = (): string => deploymentOf(cluster).spec.template.spec.containers[0].image.split(':')[1]
  const images = []
  for (const command of commands) {
    const { ok, errors } = await cluster.helm(...command)
    t.ok(ok, errors)
    images.push(image())
  }
  t.same(images, ['0.1.0', '0.2.0', '0.1.0'])
  t.ok(cluster.store.names().includes('ExternalSecret portcullis-secrets'), 'what the first said holds')
})

t.test('with a secret store the migration has its Secret before it runs, and uninstall leaves what makes it', { skip: whyNoHelm }, async (t) => {
  const cluster = await startCluster(t)
  const command = ['upgrade', '--install', 'portcullis', chart, '--create-namespace', '-f', scenarioFile('external-secrets'), ...wait]
  t.ok((await cluster.helm(...command)).ok)
  const order = ['ExternalSecret portcullis-migrations', 'Job portcullis-migrate', 'ExternalSecret portcullis-secrets', 'Deployment portcullis'].map((name) => cluster.written.indexOf(name))
  t.notOk(order.includes(-1))
  t.ok((order[0] as number) < (order[1] as number) && (order[1] as number) < Math.min(order[2] as number, order[3] as number), order.join())
  t.same(cluster.store.names(), [...ordinary('external-secrets'), 'ExternalSecret portcullis-migrations'].sort())
  t.ok((await cluster.helm(...command)).ok, 'twice, too')
  t.ok((await cluster.helm('uninstall', 'portcullis', ...wait)).ok)
  t.same(cluster.store.names(), ['ExternalSecret portcullis-migrations'], 'hooks are outside of the release (docs/kubernetes.md)')
})
