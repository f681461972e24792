import { lchownSync, lstatSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { EmbeddedUnavailable } from '../errors.ts'

/** The account that runs PostgreSQL, which refuses root; undefined: our own. */
export interface Account { uid: number, gid: number }

export const account: Account | undefined = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : undefined // nobody

/** Hands a file or a tree to the account. */
export function own (path: string): void {
  if (account === undefined) return
  lchownSync(path, account.uid, account.gid)
  if (!lstatSync(path).isDirectory()) return
  for (const entry of readdirSync(path, { withFileTypes: true, recursive: true })) {
    if (!entry.isSymbolicLink()) lchownSync(join(entry.parentPath, entry.name), account.uid, account.gid)
  }
}

/**
 * A folder that nobody else can have prepared: the temporary directory is shared with everyone on the machine.
 * @throws EmbeddedUnavailable
 */
export function makePrivateFolder (path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 })
  const entry = lstatSync(path)
  const { uid } = entry
  if (!entry.isDirectory()) throw new EmbeddedUnavailable(`${path} is no folder`)
  if (process.getuid !== undefined && uid !== process.getuid() && uid !== account?.uid) throw new EmbeddedUnavailable(`the folder ${path} belongs to somebody else`)
  if (account !== undefined) lchownSync(path, account.uid, account.gid)
}
