import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { folderWith } from '../helpers/folder.ts'
import { whyMissing } from '../helpers/deploy-tools.ts'

const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
const hasChart = existsSync('charts/portcullis/Chart.yaml')
const helm = existsSync('scripts/tools/helm.sh') ? execFileSync('scripts/tools/helm.sh', ['--where'], { encoding: 'utf8' }).trim() : ''
const digest = `sha256:${'ab12'.repeat(16)}`

t.test('the notes of a release are its section of the changelog, once everything agrees on the version', async (t) => {
  const changelog = '# Changelog\n\n## 1.3.0 (unreleased)\n\n- Later.\n\n## 1.2.3 (2027-01-31)\n\n- **Action**: this.\n- That.\n\n## 1.2.2\n\n'
  const chart = (appVersion: string): string => `apiVersion: v2\nname: portcullis\nversion: 1.2.3\nappVersion: "${appVersion}"\n`
  const notes = (tag: string, files: Record<string, string> = {}): { status: number | null, stdout: string, stderr: string } => {
    const cwd = folderWith(t, { 'package.json': '{ "version": "1.2.3" }', 'CHANGELOG.md': changelog, 'charts/portcullis/Chart.yaml': chart('1.2.3'), ...files })
    return spawnSync(process.execPath, [resolve('scripts/release/notes.mjs'), tag], { cwd, encoding: 'utf8' })
  }
  t.match(notes('v1.2.3'), { status: 0, stdout: '- **Action**: this.\n- That.\n', stderr: '' })
  t.match(notes('v1.2.3-acme.4'), { status: 0, stdout: 'On the state 1.2.3 of the server.\n' }, 'a fork releases when it likes')
  t.match(notes('v1.2.3-acme.4', { 'CHANGELOG.md': '## 1.2.3 (unreleased)\n\n- x\n' }), { status: 0 })
  const refusals: Array<[tag: string, files: Record<string, string>, said: string]> = [
    ['1.2.3', {}, 'name the tag of the release, such as v1.2.3, or v1.2.3-acme.4 in a fork'],
    ['v1.2.4-acme.1', {}, 'the tag says 1.2.4, package.json says 1.2.3'],
    ['v1.2.4', {}, 'the tag says 1.2.4, package.json says 1.2.3'],
    ['v1.2.3', { 'charts/portcullis/Chart.yaml': chart('1.2.2') }, 'the tag says 1.2.3, appVersion in charts/portcullis/Chart.yaml says 1.2.2'],
    ['v1.3.0', { 'package.json': '{ "version": "1.3.0" }', 'charts/portcullis/Chart.yaml': chart('1.3.0').replace('version: 1.2.3', 'version: 1.3.0') }, 'CHANGELOG.md still calls 1.3.0 unreleased; write its date instead'],
    ['v1.2.3', { 'CHANGELOG.md': '# Changelog\n' }, 'CHANGELOG.md has no section "## 1.2.3"'],
    ['v1.2.3', { 'CHANGELOG.md': '## 1.2.3 (today)\n\n## 1.2.2\n- x\n' }, 'CHANGELOG.md says nothing of 1.2.3']
  ]
  for (const [tag, files, said] of refusals) t.match(notes(tag, files), { status: 1, stdout: '', stderr: `${said}\n` }, said)
  t.match(readFileSync('CHANGELOG.md', 'utf8'), new RegExp(`^## ${version.replaceAll('.', '\\.')}`, 'm'), 'there is a section for the version that is being made')
})

t.test('a packed chart installs one image, by its digest', { skip: hasChart ? whyMissing(existsSync(helm), 'helm is not built; scripts/tools/helm.sh builds it') : 'leg not run: there is no chart' }, async (t) => {
  const out = folderWith(t)
  const pack = (image: string, digest: string, cwd = '.'): { status: number | null, stderr: string } => spawnSync(join(cwd, 'scripts/release/chart.sh'), ['9.8.7', image, digest, out], { encoding: 'utf8', env: { PATH: process.env.PATH, HELM: helm } })
  t.match(pack('ghcr.io/acme/tools', digest), { status: 0 })
  t.same(readdirSync(out), ['portcullis-9.8.7.tgz'])
  const shown = (what: string): any => parse(execFileSync(helm, ['show', what, join(out, 'portcullis-9.8.7.tgz')], { encoding: 'utf8' }))
  t.match(shown('values').image, { registry: 'ghcr.io', repository: 'acme/tools', digest })
  t.match(shown('chart'), { version: '9.8.7', appVersion: '9.8.7' })
  t.notMatch(execFileSync('tar', ['-tzf', join(out, 'portcullis-9.8.7.tgz')], { encoding: 'utf8' }), /\/(ci|golden|invalid)\//)

  t.match(pack('ghcr.io/acme/tools', 'latest'), { status: 1, stderr: 'not a digest: latest\n' })
  const changed = folderWith(t)
  for (const path of ['scripts/release', 'charts/portcullis']) cpSync(path, join(changed, path), { recursive: true })
  writeFileSync(join(changed, 'charts/portcullis/values.yaml'), readFileSync('charts/portcullis/values.yaml', 'utf8').replace('  digest:', '  checksum:'))
  t.match(pack('ghcr.io/acme/tools', digest, changed), { status: 1, stderr: 'values.yaml has no image.digest\n' })
})
