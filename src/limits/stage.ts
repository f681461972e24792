import type { Histogram } from '@opentelemetry/api'
import type { Attempt } from '../mcp/attempt.ts'
import type { Stages } from '../mcp/call-tool.ts'
import type { Refusal } from '../mcp/outcome.ts'
import type { Principal } from '../mcp/tool.ts'
import type { Admission, TurnedAway } from './admission.ts'
import type { Take } from './buckets.ts'
import { callerKey } from './caller.ts'
import type { Limits } from './limits.ts'

/** A call that wants to run, and since when; times in epoch milliseconds. */
export interface Entrant { principal: Principal, tool: string, limits: Limits, since: number, deadline: number, signal: AbortSignal }

/** Why a call may not run, or what ends its run. */
export type Entry = Refusal | (() => void)

/** Lets a call in: a token of the principal's bucket for this tool, then a turn among the calls that run. */
export type Enter = (entrant: Entrant) => Promise<Entry>

export function createEnter (take: Take, admission: Admission, waits: Pick<Histogram, 'record'>): Enter {
  const attributesOf = new Map<string, { tool: string }>() // made once for each tool
  return async ({ principal, tool, limits, since, deadline, signal }) => {
    const caller = callerKey(principal)
    const waitMs = await take(`tool ${tool} ${caller}`, limits.call.perMinute)
    if (waitMs > 0) return { outcome: 'limited', reason: 'rate', retryAfterMs: waitMs, message: `Too many calls of ${tool}. ${tryAgainIn(waitMs)}` }

    const turn = await admission.enter({ caller, tool, call: limits.call, limits: limits.caller, deadline, signal })
    if (typeof turn !== 'function') return refusalOf(turn)
    let attributes = attributesOf.get(tool)
    if (attributes === undefined) attributesOf.set(tool, attributes = { tool })
    waits.record((Date.now() - since) / 1000, attributes)
    return turn
  }
}

/** Step 3 of a call. One that is a request of its own was let in before a lane took it; the calls of a batch are here. */
export function createLimitsStage (enter: Enter): Stages['limits'] {
  return {
    admit: async ({ principal, tool, limits, deadline, signal, takeEntry }: Attempt): Promise<Entry> => {
      const entry = takeEntry?.()
      if (entry !== undefined) return entry
      if (tool === undefined || limits === undefined) throw new Error('an attempt without tool or limits reached the limits')
      return await enter({ principal, tool: tool.name, limits, since: Date.now(), deadline, signal })
    }
  }
}

function refusalOf ({ why, retryAfterMs }: TurnedAway): Refusal {
  return why === 'queue_full'
    ? { outcome: 'limited', reason: why, retryAfterMs, message: `Too many of your calls are running or waiting. ${tryAgainIn(retryAfterMs)}` }
    : { outcome: 'unavailable', reason: why, retryAfterMs, message: `The server is busy. ${tryAgainIn(retryAfterMs)}` }
}

/** A sentence for a model, in seconds that are enough. */
export function tryAgainIn (ms: number): string {
  return `Try again in ${Math.ceil(ms / 1000)} s.`
}
