import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

/** Runs one thing at a time among all processes that use the folder; the lock of a dead process is taken over. */
export async function exclusively<T> (folder: string, work: () => Promise<T>): Promise<T> {
  const lock = join(folder, 'lock')
  while (!take(lock)) await delay(10)
  try {
    return await work()
  } finally {
    rmSync(lock, { force: true })
  }
}

function take (lock: string): boolean {
  try {
    writeFileSync(lock, String(process.pid), { flag: 'wx' })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    const holder = readPid(lock)
    if (holder !== undefined && !isAlive(holder)) rmSync(lock, { force: true })
    return false
  }
}

/** Says that this process uses the server of the folder. Several uses in one process count as one each. */
export function enter (folder: string): () => void {
  const users = join(folder, 'users')
  mkdirSync(users, { recursive: true })
  const path = join(users, `${process.pid}-${nextUse++}`)
  writeFileSync(path, '')
  return () => { rmSync(path, { force: true }) }
}

let nextUse = 0

/** Whether any live process uses the server of the folder. */
export function isUsed (folder: string): boolean {
  const users = join(folder, 'users')
  return readdirSync(users).some((name) => {
    if (isAlive(Number(name.split('-')[0]))) return true
    rmSync(join(users, name), { force: true })
    return false
  })
}

/** Undefined while the file is being written. */
function readPid (path: string): number | undefined {
  try {
    const text = readFileSync(path, 'utf8')
    return text === '' ? undefined : Number(text)
  } catch {
    return undefined
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
