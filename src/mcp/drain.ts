import type { EventEmitter } from 'node:events'
import type { Attempt } from './attempt.ts'
import type { CallTool } from './call-tool.ts'

/** What a server that stops has done when that part of its grace is over; the rest is for the connections to the database. */
export const parts = { callsAborted: 0.8, answersOut: 0.85, connectionsCut: 0.9, telemetrySent: 0.97 } as const

export interface Drain {
  callTool: CallTool
  /** How many calls are in flight. */
  size: () => number
  /** Counts a request in until its answer is out or its client is gone; what it returns counts it out sooner. */
  enter: (answer: EventEmitter) => () => void
  /** The grace begins; later calls change nothing. */
  begin: () => void
  hasBegun: () => boolean
  /** Milliseconds until so much of the grace, from 0 to 1, is over. */
  msUntil: (part: number) => number
  /** Waits until nothing is in flight; calls that still run late in the grace are aborted, so that their callers are told. */
  wait: () => Promise<void>
}

/** Keeps track of what is in flight, and of the time that is left for it once the server stops. */
export function createDrain (callTool: CallTool, graceMs: number): Drain {
  const calls = new Set<Attempt>()
  let requests = 0
  let begunAt: number | undefined
  let isOvertime = false
  let onChange = (): void => {}

  const msUntil = (part: number): number => Math.max(0, (begunAt ?? performance.now()) + graceMs * part - performance.now())

  return {
    callTool: async (attempt) => {
      calls.add(attempt)
      if (isOvertime) attempt.abort('unavailable')
      try {
        return await callTool(attempt)
      } finally {
        calls.delete(attempt)
        onChange()
      }
    },
    size: () => calls.size,
    enter: (answer) => {
      requests++
      let isIn = true
      const leave = (): void => {
        if (!isIn) return
        isIn = false
        answer.off('close', leave)
        requests--
        onChange()
      }
      answer.once('close', leave)
      return leave
    },
    begin: () => { begunAt ??= performance.now() },
    hasBegun: () => begunAt !== undefined,
    msUntil,
    wait: async () => {
      const overtime = setTimeout(() => {
        isOvertime = true
        for (const attempt of calls) attempt.abort('unavailable')
      }, msUntil(parts.callsAborted))
      let giveUp: NodeJS.Timeout | undefined
      await new Promise<void>((resolve) => {
        giveUp = setTimeout(resolve, msUntil(parts.answersOut))
        onChange = () => { if (calls.size === 0 && requests === 0) resolve() }
        onChange()
      })
      clearTimeout(overtime)
      clearTimeout(giveUp)
    }
  }
}
