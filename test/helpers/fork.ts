import { spawnSync } from 'node:child_process'
import { appendFileSync, chmodSync, cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import type { Test } from 'tap'
import { folderWith } from './folder.ts'

const checkout = resolve(import.meta.dirname, '../..')

export interface Repository {
  folder: string
  /** Runs a shell command as its user would; throws what it printed when it fails. */
  run: (command: string, env?: Record<string, string>) => string
  read: (path: string) => string
  write: (path: string, text: string) => void
  append: (path: string, text: string) => void
}

/** Why this checkout can't be forked here, if it can't. */
export function whyNotForkable (): string | undefined {
  const { error, status, stdout } = spawnSync('git', ['ls-files', 'package.json'], { cwd: checkout, encoding: 'utf8' })
  if (error !== undefined) return 'there is no git'
  return status === 0 && stdout !== '' ? undefined : 'this checkout is no git repository'
}

/** The checkout as it stands, changes included, as the first version of a repository, and a clone of it. */
export function forkOfCheckout (t: Test): { upstream: Repository, fork: Repository } {
  const root = folderWith(t)
  chmodSync(root, 0o755) // the account of an embedded PostgreSQL has to get through
  mkdirSync(join(root, 'tmp'), { mode: 0o777 })
  const upstream = repositoryIn(root, 'upstream')
  const listed = spawnSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: checkout, encoding: 'utf8' }).stdout
  for (const path of listed.split('\0').filter((path) => path !== '' && path !== 'node_modules' && existsSync(join(checkout, path)))) {
    mkdirSync(dirname(join(upstream.folder, path)), { recursive: true })
    cpSync(join(checkout, path), join(upstream.folder, path))
  }
  upstream.run('git init -q && git add -A && git commit -qm "the version that is forked"')
  const fork = repositoryIn(root, 'fork')
  fork.run(`git clone -q "${upstream.folder}" .`)
  for (const { folder } of [upstream, fork]) {
    symlinkSync(join(checkout, 'node_modules'), join(folder, 'node_modules'))
    appendFileSync(join(folder, '.git/info/exclude'), 'node_modules\n')
  }
  return { upstream, fork }
}

function repositoryIn (root: string, name: string): Repository {
  const folder = join(root, name)
  mkdirSync(folder)
  // Of the environment nothing but the path: a git hook, npm or tap that runs this test must not steer the fork.
  const environment = { PATH: process.env.PATH, HOME: root, TMPDIR: join(root, 'tmp'), GIT_CONFIG_NOSYSTEM: '1', GIT_AUTHOR_NAME: 'Fork', GIT_AUTHOR_EMAIL: 'fork@example.com', GIT_COMMITTER_NAME: 'Fork', GIT_COMMITTER_EMAIL: 'fork@example.com' }
  return {
    folder,
    run: (command, env = {}) => {
      const { status, stdout, stderr } = spawnSync('sh', ['-ec', command], { cwd: folder, env: { ...environment, ...env }, encoding: 'utf8', maxBuffer: 2 ** 28 })
      if (status !== 0) throw new Error(`${command}\n${failuresIn(stdout)}${stderr.slice(-5_000)}`)
      return stdout
    },
    read: (path) => readFileSync(join(folder, path), 'utf8'),
    write: (path, text) => { writeFileSync(join(folder, path), text) },
    append: (path, text) => { appendFileSync(join(folder, path), text) }
  }
}

/** The failed assertions of a TAP report, or the end of any other output. */
function failuresIn (output: string): string {
  return output.match(/^ *not ok .*\n(?: .*\n){0,25}/gm)?.join('') ?? output.slice(-20_000)
}
