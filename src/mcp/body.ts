import type { Decision } from './attempt.ts'
import type { View } from './registry.ts'

const maxDepth = 64
const maxValues = 10_000

/**
 * Whether the parsed body nests deeper or holds more values than any tool needs: code after this may recurse, and visits
 * each value several times (1 MB of keys stopped the event loop for 370 ms).
 */
export function isTooComplex (body: unknown): boolean {
  let values = 0
  const exceeds = (value: unknown, depth: number): boolean => {
    if (++values > maxValues) return true
    if (typeof value !== 'object' || value === null) return false
    if (depth >= maxDepth || (Array.isArray(value) && value.length > maxValues)) return true
    for (const key in value) {
      if (exceeds((value as Record<string, unknown>)[key], depth + 1)) return true
    }
    return false
  }
  return exceeds(body, 0)
}

/** Revision 2025-03-26 alone must accept batches; a client that names none counts as that one. */
export function mayBatch (protocolVersion: string | string[] | undefined): boolean {
  return protocolVersion === undefined || protocolVersion === '2025-03-26'
}

/** Whether an id can't be echoed exactly, or stands twice in a batch, so that an answer would belong to two requests. */
export function hasBadIds (body: unknown): boolean {
  const ids = (Array.isArray(body) ? body : [body]).flatMap((message) => message?.id ?? [])
  return new Set(ids).size < ids.length || ids.some((id) => typeof id === 'number' && !Number.isSafeInteger(id))
}

interface ToolsCall { id?: unknown, params: { name: string, arguments?: unknown } }

/** Every tools/call of the body: one message, or the elements of a batch. */
export function toolsCallsOf (body: unknown): ToolsCall[] {
  return (Array.isArray(body) ? body : [body]).filter((message): message is ToolsCall =>
    message?.method === 'tools/call' && typeof message.params === 'object' && message.params !== null && typeof message.params.name === 'string')
}

/** What the allowlist says of every tool that the body names; a decision depends on principal and tool alone. */
export function decide (body: unknown, view: View, exists: (name: string) => boolean): Map<string, Decision> {
  return new Map(toolsCallsOf(body).map(({ params: { name } }) => [
    name,
    view.tools.has(name) ? { allowed: true } : { allowed: false, reason: exists(name) ? 'denied' : 'unknown' }
  ]))
}

/**
 * Takes arguments that are no object out of the body, so that the pipeline answers for them; null means omitted.
 * @returns what was taken, by request id
 */
export function takeOddArguments (body: unknown): Map<unknown, unknown> {
  const odd = new Map<unknown, unknown>()
  for (const { id, params } of toolsCallsOf(body)) {
    const { arguments: args } = params
    if (args === undefined || (typeof args === 'object' && args !== null && !Array.isArray(args))) continue
    delete params.arguments
    odd.set(id, args)
  }
  return odd
}

/** Whether the answer is a stream that stays open until one side ends it. */
export function isStream (body: unknown): body is { method: 'subscriptions/listen', params?: { _meta?: unknown } } {
  return (body as { method?: unknown } | null | undefined)?.method === 'subscriptions/listen'
}
