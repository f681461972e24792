import { AsyncResource } from 'node:async_hooks'

const firstGuessMs = 1
const patienceMs = 100

interface Waiting { since: number, go: () => void }

/**
 * Lets requests go on one at a time in each turn of the event loop, callers in turn. What a request costs the processor
 * is spent after its turn: without them a burst would be worked off in the order of its arrival while new requests, also
 * those to refuse, stay unread. A caller's newest request goes first while its oldest waits too long.
 */
export function createTurns (now: () => number = () => performance.now()) {
  const queues = new Map<string, Waiting[]>() // a Map keeps the order of turns
  let waiting = 0
  let paceMs = firstGuessMs
  let lastAt: number | undefined

  function next (): void {
    const at = now()
    if (lastAt !== undefined) paceMs = paceMs * 0.95 + (at - lastAt) * 0.05
    const [caller, queue] = queues.entries().next().value as [string, Waiting[]]
    queues.delete(caller)
    const { go } = (isLate(queue, at) ? queue.pop() : queue.shift()) as Waiting
    waiting--
    if (queue.length > 0) queues.set(caller, queue)
    lastAt = waiting > 0 ? at : undefined
    if (waiting > 0) setImmediate(next)
    go()
  }

  return {
    /** Calls `go` when it is the caller's turn. */
    wait (caller: string, go: () => void): void {
      const queue = queues.get(caller)
      const entry = { since: now(), go: AsyncResource.bind(go) } // or it would go on in the context of another request
      if (queue === undefined) queues.set(caller, [entry])
      else queue.push(entry)
      if (++waiting === 1) setImmediate(next)
    },
    /** Milliseconds that one more request of a caller would wait, at the pace of late. */
    expectedWait (caller: string): number {
      const queue = queues.get(caller) ?? []
      return paceMs * Math.min(waiting, (isLate(queue, now()) ? 1 : queue.length + 1) * queues.size)
    },
    waiting: () => waiting
  }
}

function isLate (queue: Waiting[], now: number): boolean {
  return now - (queue[0]?.since ?? now) > patienceMs
}
