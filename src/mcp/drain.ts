import { setTimeout as delay } from 'node:timers/promises'
import type { Attempt } from './attempt.ts'
import type { CallTool } from './call-tool.ts'
import type { Settled } from './outcome.ts'

export interface Drain {
  callTool: CallTool
  /** How many calls are in flight. */
  size: () => number
  /** Waits until no call is in flight; those still running after `graceMs` are aborted, so that their callers are told. */
  wait: (graceMs: number) => Promise<void>
}

/** Keeps track of the calls in flight. */
export function createDrain (callTool: CallTool): Drain {
  const inFlight = new Map<Attempt, Promise<Settled>>()

  return {
    callTool: async (attempt) => {
      const settling = callTool(attempt)
      inFlight.set(attempt, settling)
      try {
        return await settling
      } finally {
        inFlight.delete(attempt)
      }
    },
    size: () => inFlight.size,
    wait: async (graceMs) => {
      const late = new AbortController()
      const overtime = delay(graceMs, undefined, { signal: late.signal, ref: false }).then(() => {
        for (const attempt of inFlight.keys()) attempt.abort('timeout')
      }, () => {})
      while (inFlight.size > 0) await Promise.allSettled(inFlight.values())
      late.abort()
      await overtime
    }
  }
}
