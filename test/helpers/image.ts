import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { whyMissing } from './deploy-tools.ts'

interface ImageConfig { User: string, Env: string[], Entrypoint: string[], Cmd: string[], WorkingDir: string, StopSignal: string, Labels: Record<string, string>, Healthcheck: { Test: string[], [key: string]: unknown }, ExposedPorts: Record<string, unknown> }

const folder = execFileSync('scripts/tools/image.sh', ['--where'], { encoding: 'utf8' }).trim()

export const whyNoImage = whyMissing(existsSync(folder), 'the image is not built; scripts/tools/image.sh builds it, as root on Linux with buildah and busybox-static')

/** Root filesystem of the built image. */
export const imageRoot = join(folder, 'root')

export function imageConfig (): ImageConfig {
  return JSON.parse(readFileSync(join(folder, 'image.json'), 'utf8')).Docker.config
}

/** Files that the build was given, out of a checkout with more in it. */
export function buildContext (): string[] {
  return readFileSync(join(folder, 'context.txt'), 'utf8').trim().split('\n')
}

export interface Container {
  child: ChildProcess
  output: () => string
  /** Sends a signal to process 1. */
  kill: (signal: NodeJS.Signals) => void
  exit: Promise<{ code: number | null, output: string }>
}

/** Runs a program of the image locked down, by default what the image itself starts; it ends with the test. */
export function runImage (t: Test, env: Record<string, string>, command?: string[], mounts: Record<string, string> = {}): Container {
  const { Entrypoint, Cmd, Env, WorkingDir, User } = imageConfig()
  const [uid = ''] = User.split(':')
  const variables = [...Env, ...Object.entries(env).map(([name, value]) => `${name}=${value}`)]
  const child = spawn('ci/image/locked-down.sh', [imageRoot, WorkingDir, uid, ...variables, '--', ...command ?? [...Entrypoint, ...Cmd]], {
    env: { PATH: process.env.PATH, MOUNTS: Object.entries(mounts).map((pair) => pair.join(':')).join(' ') },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => { output += text })
  const exit = once(child, 'close').then(([code]) => ({ code, output }))
  const kill = (signal: NodeJS.Signals): void => {
    for (const first of childrenOf(child.pid as number)) process.kill(first, signal)
  }
  t.teardown(async () => {
    if (child.exitCode === null) kill('SIGKILL')
    await exit
  })
  return { child, output: () => output, kill, exit }
}

function childrenOf (pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter((text) => text !== '').map(Number)
}
