import type { Attempt } from '../mcp/attempt.ts'
import type { Stages } from '../mcp/call-tool.ts'
import type { Refusal } from '../mcp/outcome.ts'
import type { Admission, TurnedAway } from './admission.ts'
import type { Take } from './buckets.ts'
import { callerKey } from './caller.ts'

/** Step 3 of a call: a token of the principal's bucket for this tool, then a turn among the calls that run. */
export function createLimitsStage (take: Take, admission: Admission): NonNullable<Stages['limits']> {
  return {
    admit: async ({ principal, tool, limits, deadline, signal }: Attempt): Promise<Refusal | (() => void)> => {
      if (tool === undefined || limits === undefined) throw new Error('an attempt without tool or limits reached the limits')
      const caller = callerKey(principal)
      const waitMs = await take(`${tool.name} ${caller}`, limits.call.perMinute)
      if (waitMs > 0) return { outcome: 'limited', reason: 'rate', retryAfterMs: waitMs, message: `Too many calls of ${tool.name}. ${tryAgainIn(waitMs)}` }

      const turn = await admission.enter({ caller, tool: tool.name, call: limits.call, limits: limits.caller, deadline, signal })
      return typeof turn === 'function' ? turn : refusalOf(turn)
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
