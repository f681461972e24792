import type { Lease } from '../db/lease.ts'
import { untilAborted } from '../until-aborted.ts'
import type { Upstream } from '../upstream.ts'
import type { Attempt } from './attempt.ts'
import type { Refusal, Settled } from './outcome.ts'
import type { CompiledTool } from './registry.ts'
import type { RequestState } from './request-state.ts'
import { whileHandling } from '../db/connections.ts'
import { refusalFor, settleError, settleResult } from './settle.ts'
import type { Answers, Call } from './tool.ts'

/**
 * What the steps of a call are made of. The optional ones are places: the plugin of that concern fills them,
 * until then the step is not there.
 */
export interface Stages {
  telemetry: { start: (attempt: Attempt) => Watch }
  allowlist: { check: (attempt: Attempt) => Refusal | undefined }
  killSwitch?: { enter: (attempt: Attempt) => Refusal | (() => void) }
  limits: { admit: (attempt: Attempt) => Promise<Refusal | (() => void)> }
  requestState: RequestState
  audit?: { intent: (attempt: Attempt) => Promise<void>, outcome: (attempt: Attempt, settled: Settled, lease?: Lease) => Promise<void> }
  database: { lend: (attempt: Attempt, tool: CompiledTool) => Lease }
  upstream: { lend: (attempt: Attempt) => Upstream }
  call: (attempt: Attempt, parts: { lease: Lease, upstream: Upstream, answers?: Answers }) => Call
}

/** What telemetry does around an attempt; neither part throws. */
export interface Watch {
  /** Runs the steps so that what they log and trace is found with the call. */
  run: <T>(steps: () => T) => T
  finish: (settled: Settled, cause?: unknown) => void
}

const handlerGraceMs = 30_000

export type CallTool = (attempt: Attempt) => Promise<Settled>

/** The one way to a handler: never rejects, always settles. */
export function createCallTool (stages: Stages): CallTool {
  async function run (attempt: Attempt): Promise<Settled> {
    const { tool } = attempt
    let timer: NodeJS.Timeout | undefined
    let leave: Refusal | (() => void) | undefined
    let release: Refusal | (() => void) | undefined
    let lease: Lease | undefined
    let upstream: Upstream | undefined
    let handling: Promise<unknown> | undefined
    try {
      const refused = stages.allowlist.check(attempt) // 1
      if (refused !== undefined || tool === undefined) return refusalFor(attempt, refused ?? { outcome: 'unknown' })

      leave = stages.killSwitch?.enter(attempt) // 2
      if (typeof leave === 'object') return refusalFor(attempt, leave)

      timer = setTimeout(() => { attempt.abort('timeout') }, attempt.deadline - Date.now())
      release = await stages.limits.admit(attempt) // 3
      if (typeof release === 'object') return refusalFor(attempt, release)

      const checked = tool.check(attempt.args) // 4
      if (!checked.ok) return refusalFor(attempt, { outcome: 'invalid', message: checked.message })
      const opened = await stages.requestState.open(attempt)
      if (!opened.ok) return refusalFor(attempt, { outcome: 'invalid', reason: 'invalid_request_state' })

      if (tool.effect === 'write') await stages.audit?.intent(attempt) // 5

      attempt.signal.throwIfAborted()
      lease = stages.database.lend(attempt, tool)
      attempt.spent = lease.spent
      upstream = stages.upstream.lend(attempt)
      const call = stages.call(attempt, { lease, upstream, answers: opened.answers })
      handling = whileHandling(tool.name, () => tool.handler(checked.args, call))
      const result = await untilAborted(attempt.signal, handling) // 6
      handling = undefined
      const settled = await settleResult(attempt, tool, result, stages.requestState) // 7
      await stages.audit?.outcome(attempt, settled, lease) // 8
      if (tool.effect === 'write' && settled.outcome === 'ok') await lease.commit(attempt.signal) // an abort from here on is too late
      return settled
    } finally {
      clearTimeout(timer)
      lease?.end().catch(() => {})
      upstream?.end()
      if (typeof release === 'function') releaseAfter(handling, release)
      if (typeof leave === 'function') leave()
    }
  }

  return async (attempt) => {
    const watch = stages.telemetry.start(attempt)
    let cause: unknown
    const settled = await watch.run(async () => await run(attempt)).catch((thrown: unknown) => {
      cause = thrown
      return settleSafely(attempt, thrown)
    })
    watch.finish(settled, cause)
    return settled // 9: the lane puts it into its envelope
  }
}

/** A handler that goes on after its caller left or ran out of time still runs, and so counts; one that never ends, for a while. */
function releaseAfter (handling: Promise<unknown> | undefined, release: () => void): void {
  if (handling === undefined) return release()
  const timer = setTimeout(release, handlerGraceMs).unref()
  const end = (): void => {
    clearTimeout(timer)
    release()
  }
  Promise.resolve(handling).then(end, end)
}

/** Also for what can't be serialised or even looked at: a handler may throw anything. */
function settleSafely (attempt: Attempt, thrown: unknown): Settled {
  try {
    return settleError(attempt, thrown)
  } catch {
    return settleError(attempt, undefined)
  }
}
