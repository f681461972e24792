import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { connect, createServer, type AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { EmbeddedUnavailable } from '../errors.ts'
import { account, own } from './account.ts'
import { isAlive } from './users.ts'

const readySeconds = '20'
const stopTimeoutMs = 5_000
const pollMs = 10

/** Creates a cluster; a half-made one is never left at `data`. */
export async function initialise (bin: string, data: string, adminUser: string, passwordFile: string): Promise<void> {
  const half = mkdtempSync(`${data}-half-`)
  own(half)
  const { exit, lastWords } = await run(join(bin, 'initdb'), dirname(data), ['-D', half, '-U', adminUser, '--auth=scram-sha-256', `--pwfile=${passwordFile}`, '--encoding=UTF8', '--locale=C', '--no-sync'])
  if (exit !== '0') {
    rmSync(half, { recursive: true, force: true })
    throw new EmbeddedUnavailable(`initdb ended with ${exit}: ${lastWords}`)
  }
  renameSync(half, data)
}

/**
 * Starts the server and waits until it takes connections; answers with its port. pg_ctl makes it a daemon, so that
 * whoever ends our process together with its children (Ctrl-C, a watcher) lets us drain before the database goes.
 */
export async function launch (bin: string, data: string, tries = 3): Promise<number> {
  const port = await freePort()
  const log = `${data}.log`
  rmSync(log, { force: true })
  const settings = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', 'max_connections=200', 'timezone=UTC', 'log_timezone=UTC']
  const { exit, lastWords } = await run(join(bin, 'pg_ctl'), data, ['-D', data, '-s', '-w', '-t', readySeconds, '-l', log, '-o', `-p ${port} ${settings.map((setting) => `-c ${setting}`).join(' ')}`, 'start'])
  if (exit === '0') return port
  const words = readText(log)
  if (tries > 1 && words.includes('could not bind')) return await launch(bin, data, tries - 1)
  throw new EmbeddedUnavailable(`postgres did not start (${exit}): ${lastLine(words) || lastWords}`)
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

async function run (program: string, cwd: string, args: string[]): Promise<{ exit: string, lastWords: string }> {
  const child = spawn(program, args, { ...account, cwd, stdio: ['ignore', 'ignore', 'pipe'] })
  let output = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => { output = (output + text).slice(-4_000) })
  const exit = await new Promise<string>((resolve) => {
    child.once('error', (error) => { resolve(error.message) })
    child.once('close', (code, signal) => { resolve(String(code ?? signal)) })
  })
  return { exit, lastWords: lastLine(output) }
}

/** Lines: pid, data folder, start time, port, socket folder, address, shared memory, status. */
function postmasterPid (data: string): string[] {
  return readText(join(data, 'postmaster.pid')).split('\n')
}

function readText (path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function lastLine (text: string): string {
  return text.trim().split('\n').at(-1) ?? ''
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
