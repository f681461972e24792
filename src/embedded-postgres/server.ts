import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { connect, createServer, type AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { EmbeddedUnavailable } from '../errors.ts'
import { account, own } from './account.ts'
import { isAlive } from './users.ts'

const readyTimeoutMs = 20_000
const stopTimeoutMs = 5_000
const pollMs = 10

/** Creates a cluster; a half-made one is never left at `data`. */
export async function initialise (bin: string, data: string, adminUser: string, passwordFile: string): Promise<void> {
  const half = mkdtempSync(`${data}-half-`)
  own(half)
  const child = start(join(bin, 'initdb'), dirname(data), ['-D', half, '-U', adminUser, '--auth=scram-sha-256', `--pwfile=${passwordFile}`, '--encoding=UTF8', '--locale=C', '--no-sync'])
  const exit = await exitOf(child.process)
  if (exit !== '0') {
    rmSync(half, { recursive: true, force: true })
    throw new EmbeddedUnavailable(`initdb ended with ${exit}: ${child.lastWords()}`)
  }
  renameSync(half, data)
}

/** Starts the server and waits until it takes connections; answers with its port. */
export async function launch (bin: string, data: string, tries = 3): Promise<number> {
  const port = await freePort()
  const child = start(join(bin, 'postgres'), data, ['-D', data, '-p', String(port), ...['listen_addresses=127.0.0.1', 'unix_socket_directories=', 'max_connections=200', 'timezone=UTC', 'log_timezone=UTC'].flatMap((setting) => ['-c', setting])])
  let exit: string | undefined
  exitOf(child.process).then((how) => { exit = how }, () => {})

  for (const deadline = Date.now() + readyTimeoutMs; Date.now() < deadline; await delay(pollMs)) {
    if (await runningPort(data) === port) {
      child.detach()
      return port
    }
    if (exit === undefined) continue
    if (tries > 1 && /could not bind/.test(child.output())) return await launch(bin, data, tries - 1)
    throw new EmbeddedUnavailable(`postgres ended with ${exit}: ${child.lastWords()}`)
  }
  throw new EmbeddedUnavailable(`postgres was not ready within ${readyTimeoutMs / 1000} s: ${child.lastWords()}`)
}

/** The port of the server that runs on the folder, once it is ready. After a power cut the file may name a stranger's pid. */
export async function runningPort (data: string): Promise<number | undefined> {
  const [pid, , , port, , , , status] = postmasterPid(data)
  return isAlive(Number(pid)) && status?.trim() === 'ready' && await answers(Number(port)) ? Number(port) : undefined
}

/** Rolls back what runs, disconnects, writes a checkpoint. Whether there was a server to tell. */
export function signalFastShutdown (data: string): boolean {
  const pid = Number(postmasterPid(data)[0])
  if (!isAlive(pid)) return false
  process.kill(pid, 'SIGINT')
  return true
}

export async function untilEnded (data: string): Promise<void> {
  for (const deadline = Date.now() + stopTimeoutMs; Date.now() < deadline; await delay(pollMs)) {
    if (!existsSync(join(data, 'postmaster.pid'))) return
  }
}

/** In a process group of its own, so that Ctrl-C lets our server drain before its database goes. */
function start (program: string, cwd: string, args: string[]): { process: ChildProcess, output: () => string, lastWords: () => string, detach: () => void } {
  const child = spawn(program, args, { ...account, cwd, stdio: ['ignore', 'ignore', 'pipe'], detached: true })
  let output = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => { output = (output + text).slice(-4_000) })
  return {
    process: child,
    output: () => output,
    lastWords: () => output.trim().split('\n').at(-1) ?? '',
    detach: () => {
      child.unref()
      ;(child.stderr as unknown as { unref: () => void }).unref()
    }
  }
}

async function exitOf (child: ChildProcess): Promise<string> {
  return await new Promise((resolve) => {
    child.once('error', (error) => { resolve(error.message) })
    child.once('close', (code, signal) => { resolve(String(code ?? signal)) })
  })
}

/** Lines: pid, data folder, start time, port, socket folder, address, shared memory, status. */
function postmasterPid (data: string): string[] {
  try {
    return readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n')
  } catch {
    return []
  }
}

async function answers (port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

async function freePort (): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
