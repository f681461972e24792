import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { filesWithImages, imagesIn, unpinned, unpinnedImages } from '../helpers/image-references.ts'
import { foundIn, managersOf, renovate } from '../helpers/renovate.ts'

const read = (path: string): string => readFileSync(path, 'utf8')
const texts = Object.fromEntries(filesWithImages.map((path) => [path, read(path)]))
const below = (folder: string, end: string): string[] => readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith(end)).map((name) => join(folder, name))

t.test('every image has a tag and the digest that it stood for, the same one everywhere', async (t) => {
  t.same(unpinnedImages(texts), [])
  const named = Object.entries(texts).flatMap(([path, text]) => imagesIn(path, text))
  for (const image of ['docker.io/library/node', 'gcr.io/distroless', 'postgres', 'haproxy', 'edoburu/pgbouncer', 'otel/', 'prom/', 'grafana/tempo', 'grafana/loki', 'grafana/grafana', 'grafana/otel-lgtm', 'kindest/node']) t.ok(named.some((each) => each.startsWith(image)), image)
})

t.test('an image without one is found, wherever it stands', async (t) => {
  const digest = /@sha256:[0-9a-f]{64}/
  const breaks: Array<[path: string, was: string | RegExp, is: string, sentence: RegExp]> = [
    ['Dockerfile', digest, '', /^Dockerfile: docker.io\/library\/node:\S+ has no tag with a digest$/],
    ['Dockerfile', 'FROM base AS deps', 'FROM node:26 AS deps', /^Dockerfile: node:26 has no tag/],
    ['Dockerfile', ':nonroot@', '@', /^Dockerfile: gcr.io\/distroless\S+ has no tag/],
    ['compose.yaml', digest, '', /^compose.yaml: postgres:18.4 has no tag/],
    ['compose.yaml', /grafana\/loki:[\w.]+@/, 'grafana/loki:latest@', /^compose.yaml: grafana\/loki:latest\S+ has no tag/],
    ['compose.yaml', 'image: portcullis:local', 'image: portcullis:mine', /^compose.yaml: portcullis:mine has no tag/],
    ['.github/workflows/ci.yml', digest, '', /^\.github\/workflows\/ci.yml: postgres:18.4 has no tag/],
    ['.github/workflows/ci.yml', 'uses: azure/setup-helm', 'uses: docker://alpine:3 # ', /ci.yml: alpine:3\b.* has no tag/],
    ['ci/kind/cluster.yaml', digest, '', /^ci\/kind\/cluster.yaml: kindest\/node:\S+ has no tag/],
    ['ci/kind/postgres.yaml', digest, `@sha256:${'0'.repeat(64)}`, /^postgres has more than one version$/]
  ]
  for (const [path, was, is, sentence] of breaks) {
    const broken = (texts[path] ?? '').replace(was, is)
    t.not(broken, texts[path], `${path}: ${is}`)
    t.ok(unpinnedImages({ ...texts, [path]: broken }).some((problem) => sentence.test(problem)), `${path}: ${is}`)
  }
  t.match(unpinnedImages({ ...texts, '.github/workflows/release.yml': '' }), [/may stand without a digest, and nobody names it/], 'an exception that is none any more')
})

t.test('Renovate finds each of them', async (t) => {
  const native = ['docker-compose', 'devcontainer', 'kubernetes']
  const missed = (path: string, config = renovate): string[] => imagesIn(path, texts[path] ?? '').filter((image) => !(image in unpinned) && !managersOf(path, config).some((name) => native.includes(name)) && !foundIn(path, texts[path] ?? '', config).includes(image))
  for (const path of filesWithImages) t.same(missed(path), [], path)
  t.same(managersOf('.devcontainer/devcontainer.json'), ['devcontainer'], 'which adds the digest that it lacks')
  for (const path of ['compose.yaml', 'ci/kind/postgres.yaml']) t.ok(missed(path, { ...renovate, enabledManagers: ['custom.regex'] }).length > 0, path)
  for (const path of ['Dockerfile', '.github/workflows/ci.yml']) t.ok(missed(path, { ...renovate, customManagers: [] }).length > 0, path)
})

t.test('and the collector of the chart, with its digest', async (t) => {
  const path = 'charts/portcullis/values.yaml'
  const { repository, tag } = parse(read(path)).adotSidecar.image
  t.same(foundIn(path, read(path)), [`${repository}:${tag}`], 'and not our own image')
  t.match(tag, /@sha256:[0-9a-f]{64}$/)
})

t.test('Renovate finds each version that a script, a workflow, a Go module or the collector\'s builder pins, and leaves the rest to Dependabot', async (t) => {
  const ecosystems = (parse(read('.github/dependabot.yml')) as { updates: Array<Record<string, string>> }).updates.map((update) => update['package-ecosystem'])
  t.same(renovate.enabledManagers.filter((manager) => ecosystems.includes(manager) || manager === 'npm' || manager === 'github-actions'), [])
  const pins = (path: string): number => foundIn(path, read(path)).length
  const wanted = { 'scripts/tools/actionlint.sh': 1, 'scripts/tools/collector.sh': 1, 'scripts/tools/helm.sh': 1, 'scripts/tools/kubernetes.sh': 7, 'scripts/tools/image.sh': 0, 'ci/image/standins.sh': 1, 'ci/kind/scenarios.sh': 1 }
  for (const [path, count] of Object.entries(wanted)) t.equal(pins(path), count, path)

  const modules = below('ci/go', 'go.mod')
  t.ok(modules.length >= 3)
  for (const path of modules) t.same(managersOf(path), ['gomod'], path)
  for (const path of below('collector/builder', '.yaml')) t.same(managersOf(path), ['ocb'], path)
  t.same(managersOf('examples/go/go.mod'), [], 'where it looks away')

  const versions = (path: string): string[] => [...read(path).matchAll(/^ +\w*version: '?(v[\d.]+)/gm)].map(([, version]) => version as string)
  for (const path of ['.github/workflows/ci.yml', '.github/workflows/chart-release.yml']) for (const version of versions(path)) t.ok(foundIn(path, read(path)).some((found) => found.endsWith(`:${version}`)), `${path}: ${version}`)
})
