import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'

export interface FollowOptions {
  path: string
  intervalMs: number
  /** Takes the text of the file; throws when it can't be used. */
  onText: (text: string) => void
  /** The file can't be read or used; told once for each content. What was taken before stays. */
  onError: (error: Error) => void
  /** For tests. */
  read?: () => Promise<string>
}

/**
 * Follows a file by its content: watchers follow inodes and miss the symlink swaps of Kubernetes, sizes and times can be
 * equal. A new content is taken when two readings in a row agree, so that nobody sees a file half written.
 * @param seen the content that is in use already
 * @returns stops it
 */
export function followFile ({ path, intervalMs, onText, onError, read = async () => await readFile(path, 'utf8') }: FollowOptions, seen: string | undefined): () => void {
  let taken = seen === undefined ? undefined : digestOf(seen)
  let candidate: string | undefined
  let isStopped = false
  let timer = setTimeout(look, intervalMs).unref()

  async function look (): Promise<void> {
    const found: string | NodeJS.ErrnoException = await read().catch((error: NodeJS.ErrnoException) => error)
    if (isStopped) return
    const digest = typeof found === 'string' ? digestOf(found) : `error ${found.code}`
    if (digest === taken) candidate = undefined
    else if (digest !== candidate) candidate = digest
    else {
      taken = digest
      try {
        if (typeof found !== 'string') throw found
        onText(found)
      } catch (error) {
        onError(error as Error)
      }
    }
    timer = setTimeout(look, intervalMs).unref()
  }

  return () => {
    isStopped = true
    clearTimeout(timer)
  }
}

function digestOf (text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
