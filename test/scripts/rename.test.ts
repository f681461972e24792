import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import t, { type Test } from 'tap'
import { folderWith } from '../helpers/folder.ts'

const files = {
  'package.json': '{\n  "name": "portcullis",\n  "description": "x",\n  "dependencies": {\n    "name": "1.0.0"\n  }\n}\n',
  'README.md': '# Portcullis\n\nPortcullis reads PORTCULLIS_ENV.\n',
  '.devcontainer/devcontainer.json': '{\n  "name": "Portcullis",\n  "image": "x"\n}\n',
  'compose.yaml': 'name: portcullis\nservices: {}\n',
  LICENSE: 'The Portcullis authors\n'
}

function checkout (t: Test): string {
  const folder = folderWith(t, files)
  git(folder, 'init', '-q')
  git(folder, 'add', '.')
  git(folder, '-c', 'user.name=t', '-c', 'user.email=t@example.com', 'commit', '-qm', 'x')
  return folder
}

function git (cwd: string, ...args: string[]): void {
  const { status, stderr } = spawnSync('git', args, { cwd, env: { PATH: process.env.PATH, HOME: cwd }, encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
}

function rename (cwd: string, ...args: string[]): { status: number | null, stdout: string, stderr: string } {
  return spawnSync(process.execPath, [resolve('scripts/rename.mjs'), ...args], { cwd, env: { PATH: process.env.PATH, HOME: cwd, GIT_CEILING_DIRECTORIES: resolve(cwd, '..') }, encoding: 'utf8' })
}

const read = (folder: string, path: string): string => readFileSync(join(folder, path), 'utf8')
const hasGit = spawnSync('git', ['--version']).status === 0
const skip = hasGit ? false : 'not run: there is no git'

t.test('one name goes to the few places that a fork is known by, again and again', { skip }, async (t) => {
  const folder = checkout(t)

  t.match(rename(folder, 'acme-tools'), { status: 0, stdout: 'changed package.json\nchanged README.md\nchanged .devcontainer/devcontainer.json\nchanged compose.yaml\n\nLook at it and commit it: git diff\nThen say what your tools do: the default of SERVICE_DESCRIPTION in config/env.ts' })
  t.equal(read(folder, 'package.json'), files['package.json'].replace('portcullis', 'acme-tools'))
  t.equal(read(folder, 'README.md'), '# acme-tools\n\nPortcullis reads PORTCULLIS_ENV.\n')
  t.match(read(folder, '.devcontainer/devcontainer.json'), /"name": "acme-tools"/)
  t.equal(read(folder, 'compose.yaml'), 'name: acme-tools\nservices: {}\n')
  t.equal(read(folder, 'LICENSE'), files.LICENSE)

  t.match(rename(folder, 'beta', '--force'), { status: 0 })
  t.equal(read(folder, 'README.md'), '# beta\n\nPortcullis reads PORTCULLIS_ENV.\n')
  t.match(rename(folder, 'beta', '--force'), { status: 0, stdout: 'the name is beta already\n' })
})

t.test('a title that a team wrote itself stays', { skip }, async (t) => {
  const folder = checkout(t)
  writeFileSync(join(folder, 'README.md'), '# Tools of the lab\n')

  t.match(rename(folder, 'acme-tools', '--force'), { status: 0, stdout: /changed package\.json/ })
  t.equal(read(folder, 'README.md'), '# Tools of the lab\n')
})

t.test('generated pages are generated again', async (t) => {
  const folder = folderWith(t, { 'package.json': '{\n  "name": "portcullis",\n  "scripts": { "docs": "node docs.mjs" }\n}\n', 'docs.mjs': 'import { writeFileSync } from \'node:fs\'\nwriteFileSync(\'page.md\', process.env.npm_package_name)\n' })
  t.equal(rename(folder, 'acme-tools', '--force').status, 0)
  t.equal(read(folder, 'page.md'), 'acme-tools')
})

t.test('a name that npm, Helm or Kubernetes would refuse, or no name, is refused in one sentence', async (t) => {
  const folder = folderWith(t, files)
  for (const name of ['Acme', 'acme_tools', '-acme', 'acme-', '9lives', 'a.b', '@acme/tools', 'a b', '', 'a'.repeat(54)]) {
    const { status, stderr } = rename(folder, '--force', '--', name)
    t.equal(status, 1, name)
    t.match(stderr, /^"[^\n]*can't be the name; use lower-case[^\n]*npm run rename acme-tools\n$/, name)
  }
  t.match(rename(folder, '--force'), { status: 1, stderr: 'give one name: npm run rename acme-tools\n' })
  t.match(rename(folder, 'a', 'b', '--force'), { status: 1, stderr: /^give one name/ })
  t.match(rename(folder, 'a', '--farce'), { status: 1, stderr: /^Unknown option '--farce'/ })
  t.equal(read(folder, 'package.json'), files['package.json'])
  t.equal(rename(folder, 'a'.repeat(53), '--force').status, 0)
})

t.test('work that is not committed is not mixed with the change', { skip }, async (t) => {
  const folder = checkout(t)
  writeFileSync(join(folder, 'new.txt'), '')
  t.match(rename(folder, 'acme-tools'), { status: 1, stderr: /not committed; commit them first, or add -- --force/ })
  t.match(rename(folderWith(t, files), 'acme-tools'), { status: 1, stderr: /no git repository.*-- --force/ })
  t.equal(read(folder, 'package.json'), files['package.json'])
})
