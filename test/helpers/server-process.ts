import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Test } from 'tap'
import { placeholders } from './placeholders.ts'
import { databaseEnv, emptyDatabase, serverUrl } from './postgres.ts'

const checkout = resolve(import.meta.dirname, '../..')

/** Builds the server, or another project, into a folder of its own, so that no other build can take it away. */
export function buildServer (t: Test, project = 'tsconfig.build.json'): string {
  const out = mkdtempSync(join(checkout, 'dist-test-'))
  t.teardown(() => { rmSync(out, { recursive: true, force: true }) })
  const { status, stdout } = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', project, '--outDir', out], { cwd: checkout, encoding: 'utf8' })
  if (status !== 0) throw new Error(stdout)
  writeFileSync(join(out, 'fastify.config.cjs'), readFileSync(join(checkout, 'fastify.config.cjs'), 'utf8').replace('./dist/', './'))
  return out
}

/** A working directory like a checkout, with its own embedded database. */
export function workingDirectory (t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-test-'))
  t.teardown(() => { rmSync(folder, { recursive: true, force: true }) })
  for (const name of ['config', 'migrations', 'node_modules', 'package.json']) symlinkSync(join(checkout, name), join(folder, name))
  return folder
}

export interface ServerProcess {
  url: string
  child: ChildProcess
  /** The log so far, one object a line. */
  logs: () => Array<Record<string, unknown>>
  output: () => string
  /** What it wrote to stderr. */
  errors: () => string
  /** The first log line that satisfies the condition, now or later. */
  untilLog: (isIt: (line: Record<string, unknown>) => boolean) => Promise<Record<string, unknown>>
  exit: Promise<{ code: number | null, signal: NodeJS.Signals | null }>
}

export interface StartOptions {
  cwd: string
  env?: Record<string, string>
  /** Arguments after `fastify start`; default: the documented start line. */
  args?: (out: string, port: number) => string[]
  preload?: boolean
  /** What is run instead of the usual command line, in a process group of its own. */
  command?: (usual: string[]) => string[]
}

/** Starts the built server as its users do, with placeholders for the settings that tools require; a database of the test it uses with the rights of production. It is stopped with the test. */
export async function startServer (t: Test, out: string, { cwd, env = {}, args, preload = true, command }: StartOptions): Promise<ServerProcess> {
  const port = await freePort()
  const usual = [
    process.execPath,
    ...preload ? ['--import', join(out, 'src/instrumentation.js')] : [],
    join(checkout, 'node_modules/fastify-cli/cli.js'), 'start',
    ...args?.(out, port) ?? ['-c', join(out, 'fastify.config.cjs'), join(out, 'src/app.js')]
  ]
  const settings = await placeholders(async () => serverUrl(await emptyDatabase(t)))
  const [program, ...rest] = command?.(usual) ?? usual
  const child = spawn(program as string, rest, { cwd, detached: command !== undefined, env: { ...settings, PATH: process.env.PATH, TMPDIR: tmpdir(), NODE_V8_COVERAGE: process.env.COVERAGE_FOLDER, PORT: String(port), ...env, ...env.DATABASE_URL === undefined ? {} : databaseEnv(env.DATABASE_URL) }, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  let errors = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => { output += text })
  child.stderr.setEncoding('utf8').on('data', (text: string) => { output += text; errors += text })
  const exit = once(child, 'close').then(([code, signal]) => ({ code, signal }))
  t.teardown(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM')
    await exit
  })

  const logs = (): Array<Record<string, unknown>> => output.split('\n').filter((line) => line.startsWith('{') && line.endsWith('}')).map((line) => JSON.parse(line))
  const untilLog: ServerProcess['untilLog'] = async (isIt) => {
    for (;;) {
      const line = logs().find(isIt)
      if (line !== undefined) return line
      if (child.exitCode !== null || child.signalCode !== null) throw new Error(`the server ended before that was logged:\n${output}`)
      await Promise.race([once(child.stdout, 'data'), exit])
    }
  }
  return { url: `http://127.0.0.1:${port}`, child, logs, output: () => output, errors: () => errors, untilLog, exit }
}

/** The same, once it listens. */
export async function startedServer (t: Test, out: string, options: StartOptions): Promise<ServerProcess> {
  const server = await startServer(t, out, options)
  await server.untilLog(({ msg }) => String(msg).startsWith('Server listening'))
  return server
}

const handedOut = new Set<number>()

/** A port that nobody listens on, and that no earlier call has named: the system may offer it again as long as it is unused. */
export async function freePort (): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  if (handedOut.has(port)) return await freePort()
  handedOut.add(port)
  return port
}
