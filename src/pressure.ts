import { totalmem } from 'node:os'
import { getHeapStatistics } from 'node:v8'
import type { Env } from '../config/env.ts'

/** Something that can have more to do than it can: a queue, a buffer, the process. */
export interface PressureSource {
  /** What the log calls it. */
  name: string
  /** Asked on every request, so it reads a number and compares. */
  isPressing: () => boolean
}

export interface MemoryUsage { heapUsed: number, rssBytes: number }

const containerShare = 0.9
const trickleMs = 1_000

/** The event loop; it presses when two samples running are over the bound, since one pause (of the garbage collector, say) is no overload. */
export function createLoopSource (maxDelayMs: number): PressureSource & { sample: (delayMs: number) => void } {
  let running = 0
  return {
    name: 'event loop',
    isPressing: () => running >= 2,
    sample: (delayMs) => { running = delayMs > maxDelayMs ? running + 1 : 0 }
  }
}

/** Heap and resident memory, without what is switched off. */
export function memorySources (env: Pick<Env, 'SHED_HEAP_PERCENT' | 'SHED_RSS_BYTES'>, usage: () => MemoryUsage): PressureSource[] {
  const maxHeap = getHeapStatistics().heap_size_limit * env.SHED_HEAP_PERCENT / 100
  const maxRss = env.SHED_RSS_BYTES ?? containerShare * containerLimit()
  return [
    ...maxHeap === 0 ? [] : [{ name: 'heap', isPressing: butOneASecond(() => usage().heapUsed > maxHeap) }],
    ...maxRss === 0 ? [] : [{ name: 'resident memory', isPressing: butOneASecond(() => usage().rssBytes > maxRss) }]
  ]
}

/** What the container may use; 0 where it has no limit of its own. */
function containerLimit (): number {
  const limit = process.constrainedMemory()
  return limit < totalmem() ? limit : 0
}

/** Memory is collected only where some is allocated: a server that refused everything would never come back. */
function butOneASecond (isOver: () => boolean): () => boolean {
  let passedAt = -Infinity
  return () => {
    if (!isOver()) return false
    const now = performance.now()
    if (now - passedAt < trickleMs) return true
    passedAt = now
    return false
  }
}

export const overloadTexts = { begins: 'overloaded: requests are refused', ends: 'no longer overloaded' }
