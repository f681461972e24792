import { CommitUnknown, DatabaseUnavailable, NotAReadingStatement } from '../errors.ts'
import { contentOfAsk, type AskContent, type InputRequest } from './ask.ts'
import { CallAborted, type AbortReason, type Attempt } from './attempt.ts'
import { blocksToText, isBlocks } from './blocks.ts'
import type { Outcome, Refusal, Settled } from './outcome.ts'
import type { CompiledTool } from './registry.ts'
import type { RequestState } from './request-state.ts'
import { ToolError } from './tool.ts'

const retryAfterUnavailableMs = 1000
const queryCanceled = '57014'

const abortTexts: Record<AbortReason, string> = {
  timeout: 'The call took longer than it may and was stopped. Ask for less, or try again later.',
  cancelled: 'The call was cancelled.',
  killed: 'The call was stopped by an operator.',
  unavailable: `The server is being restarted, and the call was not done. Try again in ${retryAfterUnavailableMs / 1000} s.`
}

/** The end of an attempt that a stage refused. */
export function refusalFor (attempt: Attempt, refusal: Refusal): Settled {
  return {
    outcome: refusal.outcome,
    reason: refusal.reason,
    text: refusal.message ?? (refusal.outcome === 'unknown' || refusal.outcome === 'denied' ? `Tool ${shortName(attempt.name)} not found` : refusal.outcome),
    structured: false,
    retryAfterMs: refusal.retryAfterMs
  }
}

/** The end of an attempt whose handler returned: declared fields only, serialised once. */
export async function settleResult (attempt: Attempt, tool: CompiledTool, result: unknown, requestState: RequestState): Promise<Settled> {
  const asked = contentOfAsk(result)
  if (asked !== undefined) return await settleAsk(attempt, asked, requestState)
  if (tool.shape === undefined) {
    if (!isBlocks(result)) throw new TypeError(`tool "${tool.name}" must return blocks(...)`)
    return withinSize(attempt, { outcome: 'ok', text: blocksToText(result.blocks), structured: false, blocks: result.blocks })
  }
  if (!tool.shape.accepts(result)) throw new TypeError(`tool "${tool.name}" returned what its output schema does not declare: ${tool.shape.faults(result).join('; ')}`)
  return withinSize(attempt, { outcome: 'ok', text: tool.shape.serialize(result), structured: true })
}

/** A result that is longer than it may be exists and may not leave. */
function withinSize ({ limits }: Attempt, settled: Settled): Settled {
  const most = limits?.call.resultBytes ?? Infinity
  // a character takes at most three bytes of UTF-8, so most results need not be measured
  if (settled.text.length * 3 <= most || Buffer.byteLength(settled.text) <= most) return settled
  return failure('withheld', `The result is longer than the ${most} bytes that may leave. Ask for less.`, 'size')
}

/** The end of an attempt in which something was thrown. Only a ToolError's own text reaches the client. */
export function settleError (attempt: Attempt, thrown: unknown): Settled {
  if (thrown instanceof CommitUnknown) return failure('error', `The connection was lost while the change was made, and nobody can tell whether it was. Look before you try again. Call ${attempt.id}`, 'commit_unknown')
  const aborted = attempt.signal.aborted ? attempt.signal.reason : thrown
  if (aborted instanceof CallAborted) return { ...failure(aborted.why, abortTexts[aborted.why]), ...aborted.why === 'unavailable' ? { reason: 'stopping', retryAfterMs: retryAfterUnavailableMs } : {} }
  if (thrown instanceof ToolError) {
    const structured = { error: thrown.message, ...thrown.data }
    return {
      ...failure('tool_error', thrown.data === undefined ? thrown.message : JSON.stringify(structured), thrown.code),
      structured: thrown.data !== undefined && attempt.tool?.shape?.accepts(structured) === true
    }
  }
  if (thrown instanceof DatabaseUnavailable) {
    return { ...failure('unavailable', `The database is not available. Try again in ${retryAfterUnavailableMs / 1000} s.`, (thrown as { reason?: string }).reason), retryAfterMs: retryAfterUnavailableMs }
  }
  if (thrown instanceof NotAReadingStatement) return failure('tool_error', `${thrown.message[0]?.toUpperCase()}${thrown.message.slice(1)}.`, 'not_a_reading_statement')
  if ((thrown as { code?: unknown } | null)?.code === queryCanceled) return failure('timeout', abortTexts.timeout)
  return failure('error', `The tool failed. Quote call ${attempt.id} to whoever runs this server.`)
}

function failure (outcome: Outcome, text: string, reason?: string): Settled {
  return { outcome, reason, text, structured: false }
}

/** The pipeline decides what the client can answer: the SDK would refuse only after the attempt is recorded. */
async function settleAsk (attempt: Attempt, content: AskContent, requestState: RequestState): Promise<Settled> {
  const missing = Object.values(content.requests).find((request) => !canAnswer(attempt, request))
  if (missing !== undefined) {
    return {
      ...failure('tool_error', `This tool needs to ask something (${missing.method}), which this client did not say it can answer.`, 'missing_client_capability'),
      ask: content
    }
  }
  const sealed = content.state === undefined ? undefined : await requestState.seal(attempt, content.state)
  return { outcome: 'input_required', text: JSON.stringify(content.requests), structured: false, ask: { ...content, requestState: sealed } }
}

function canAnswer ({ era, client }: Attempt, { method, params }: InputRequest): boolean {
  if (era === 'legacy') return false
  const { elicitation, sampling, roots } = client.capabilities as { elicitation?: { form?: object, url?: object }, sampling?: object, roots?: object }
  if (method === 'sampling/createMessage') return sampling !== undefined
  if (method === 'roots/list') return roots !== undefined
  if (elicitation === undefined) return false
  return params?.mode === 'url' ? elicitation.url !== undefined : elicitation.form !== undefined || elicitation.url === undefined
}

/** A name that no tool has is the client's own text; it is repeated to that client alone, bounded. */
function shortName (name: string): string {
  return name.length > 128 ? `${name.slice(0, 128)}…` : name
}
