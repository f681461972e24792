import { existsSync, linkSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { EmbeddedUnavailable } from '../errors.ts'

const lockTimeoutMs = 60_000
let nextUse = 0

/**
 * Runs one thing at a time among all processes that use the folder; the lock of a dead process is taken over.
 * @throws EmbeddedUnavailable naming the lock file that does not come free
 */
export async function exclusively<T> (folder: string, work: () => Promise<T>): Promise<T> {
  const lock = join(folder, 'lock')
  for (const deadline = Date.now() + lockTimeoutMs; !take(lock); await delay(10)) {
    if (Date.now() > deadline) throw new EmbeddedUnavailable(`${lock} is held by process ${readText(lock)}; delete the file if that process has nothing to do with it`)
  }
  held.add(lock)
  try {
    return await work()
  } finally {
    held.delete(lock)
    rmSync(lock, { force: true })
  }
}

const held = new Set<string>()

/** A link appears with its content or not at all, so a lock is never half-written. */
function take (lock: string): boolean {
  const claim = `${lock}-${process.pid}-${nextUse++}`
  writeFileSync(claim, String(process.pid))
  try {
    linkSync(claim, lock)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    takeAway(lock, claim)
    return false
  } finally {
    rmSync(claim, { force: true })
  }
}

/** Renames the lock of a dead process away; whoever renames a live one by mistake, because it changed hands in between, puts it back. */
function takeAway (lock: string, claim: string): void {
  if (!isStale(lock)) return
  const aside = `${claim}-stale`
  try {
    renameSync(lock, aside)
    if (!isStale(aside)) linkSync(aside, lock)
  } catch {
    // somebody else was quicker
  } finally {
    rmSync(aside, { force: true })
  }
}

function isStale (path: string): boolean {
  if (!existsSync(path)) return false
  const pid = Number(readText(path))
  return pid === process.pid ? !held.has(path.replace(/-\d+-\d+-stale$/, '')) : !isAlive(pid)
}

/** Says that this process uses the server of the folder. Several uses in one process count as one each. */
export function enter (folder: string): () => void {
  const users = join(folder, 'users')
  mkdirSync(users, { recursive: true })
  const path = join(users, `${process.pid}-${nextUse++}`)
  writeFileSync(path, '')
  return () => { rmSync(path, { force: true }) }
}

/** Whether any live process uses the server of the folder. */
export function isUsed (folder: string): boolean {
  const users = join(folder, 'users')
  return readdirSync(users).some((name) => {
    if (isAlive(Number(name.split('-')[0]))) return true
    rmSync(join(users, name), { force: true })
    return false
  })
}

function readText (path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

export function isAlive (pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
