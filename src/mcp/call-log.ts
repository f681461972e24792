import type { FastifyBaseLogger } from 'fastify'
import type { Attempt } from './attempt.ts'
import type { Outcome, Settled } from './outcome.ts'
import { toolName } from './semconv.ts'

const levels: Partial<Record<Outcome, 'info' | 'error'>> = { ok: 'info', input_required: 'info', tool_error: 'info', invalid: 'info', cancelled: 'info', error: 'error' }

const maxCauses = 3

/** One line per attempt, whatever its outcome. Arguments, results and text from clients are never in it. */
export function logCall (log: FastifyBaseLogger, attempt: Attempt, { outcome, reason }: Settled, ms: number, cause?: unknown): void {
  log[levels[outcome] ?? 'warn']({
    call: attempt.id,
    tool: toolName(attempt),
    principal: attempt.principal.id,
    auth: attempt.principal.kind,
    era: attempt.era,
    outcome,
    reason,
    durationMs: rounded(ms),
    ...spentOf(attempt),
    ...outcome === 'error' || outcome === 'unavailable' ? { cause: safely(describeCause, cause) } : {},
    ...reason === 'upstream' ? { cause: safely(codesOf, cause) } : {}
  }, 'tool call')
}

/** Waiting for a connection and a slow query are different troubles. */
function spentOf ({ spent }: Attempt): Record<string, number> {
  return spent === undefined || spent.waitMs + spent.statements === 0 ? {} : { dbWaitMs: rounded(spent.waitMs), dbQueryMs: rounded(spent.queryMs), dbStatements: spent.statements }
}

/** What a handler threw can be anything, even something that can't be looked at. */
function safely<T> (describe: (cause: unknown) => T, cause: unknown): T | { type: string } {
  try {
    return describe(cause)
  } catch {
    return { type: 'what was thrown can\'t be described' }
  }
}

function rounded (ms: number): number {
  return Math.round(ms * 1000) / 1000
}

/** Names and codes of an error and its causes: enough to tell DNS from TLS. Messages repeat addresses and what is in them. */
function codesOf (thrown: unknown): string[] {
  const codes: string[] = []
  for (let error = thrown as { code?: unknown, name?: unknown, cause?: unknown } | undefined; error != null && codes.length < maxCauses; error = error.cause as typeof error) codes.push(String(error.code ?? error.name))
  return codes
}

/** PostgreSQL's messages quote data, so of those only codes and names are kept. */
export function describeCause (thrown: unknown, depth = 0): Record<string, unknown> {
  const error = thrown as Error & Record<string, unknown>
  const cause = error?.cause === undefined || depth >= maxCauses ? undefined : describeCause(error.cause, depth + 1)
  if (!(error instanceof Error)) return { type: typeof thrown }
  if (typeof error.severity === 'string') {
    const { code, routine, schema, table, column, constraint } = error
    return { type: 'DatabaseError', code, routine, schema, table, column, constraint, cause }
  }
  return { type: error.name, code: error.code, message: error.message, stack: error.stack, cause }
}
