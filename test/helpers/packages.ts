import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import type { Test } from 'tap'

const checkout = resolve(import.meta.dirname, '../..')
const shippedTools = ['get-pool-status', 'get-record-detail', 'get-statistics', 'search-records'].map((name) => `tools/${name}.ts`)
const sources = ['config', 'migrations', 'plugins', 'scripts', 'src', ...shippedTools, 'fastify.config.cjs', 'package.json', 'tsconfig.json', 'tsconfig.build.json', 'tsconfig.types.json']
const offline = ['--offline', '--no-audit', '--no-fund', '--no-update-notifier', '--ignore-scripts=false']

/** A checkout of the server with the shipped tools alone, its sources changed by `edit`; it may be built and packed. */
export function serverCheckout (t: Test, edit: (folder: string) => void): string {
  const folder = temporary(t)
  for (const name of sources) cpSync(join(checkout, name), join(folder, name), { recursive: true })
  link(readdirSync(join(checkout, 'node_modules')), folder)
  edit(folder)
  return folder
}

/** Runs npm as a person does: without what this run of npm put into the environment. */
export function npm (cwd: string, ...args: string[]): string {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_OPTIONS$|TAP)/i.test(name)))
  return execFileSync('npm', [...args, ...offline], { cwd, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}

/** Packs an example against a packed server, in a folder that has only what the author installs. */
export function packExample (t: Test, example: string, server: string): string {
  const folder = temporary(t)
  cpSync(join(checkout, example), folder, { recursive: true, filter: (source) => !/[\\/](node_modules|dist)$/.test(source) })
  link(['.bin', '@types/node', 'fastify', 'fastify-plugin', 'typebox', 'typescript'], folder)
  unpack(server, join(folder, 'node_modules/portcullis'))
  return join(folder, npm(folder, 'pack').trim().split('\n').at(-1) as string)
}

/**
 * Installs a packed package into a server. npm itself does it, in a project that has the server's versions of what
 * packages share with it, so that nothing is fetched: a dependency that is not among them or a peer that does not fit
 * fails here. In the server npm would put registry packages in the place of every link to the checkout's.
 */
export function install (t: Test, name: string, packed: string, server: string): void {
  const folder = temporary(t)
  const shared = ['fastify', 'fastify-plugin', 'typebox']
  for (const name of shared) {
    const { version } = JSON.parse(readFileSync(join(checkout, 'node_modules', name, 'package.json'), 'utf8'))
    mkdirSync(join(folder, name))
    writeFileSync(join(folder, name, 'package.json'), JSON.stringify({ name, version }))
  }
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ dependencies: Object.fromEntries(shared.map((name) => [name, `file:${name}`])) }))
  npm(folder, 'install', packed)
  const installed = join(server, 'node_modules', name)
  mkdirSync(dirname(installed), { recursive: true })
  renameSync(join(folder, 'node_modules', name), installed)
}

/** A project of somebody else that installed a packed server, with the packages of the folder it was packed in. */
export function projectWith (t: Test, packed: string): string {
  const folder = temporary(t)
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  link(readdirSync(join(dirname(packed), 'node_modules')), folder, dirname(packed))
  unpack(packed, join(folder, 'node_modules/portcullis'))
  return folder
}

function unpack (packed: string, folder: string): void {
  mkdirSync(folder, { recursive: true })
  execFileSync('tar', ['-xzf', packed, '-C', folder, '--strip-components=1'])
}

function link (names: string[], folder: string, from = checkout): void {
  for (const name of names) {
    mkdirSync(dirname(join(folder, 'node_modules', name)), { recursive: true })
    symlinkSync(join(from, 'node_modules', name), join(folder, 'node_modules', name))
  }
}

function temporary (t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-package-'))
  t.teardown(() => { rmSync(folder, { recursive: true, force: true }) })
  return folder
}
