import type { Decision } from './attempt.ts'
import type { View } from './registry.ts'

const maxDepth = 64

/** Whether the parsed body nests deeper than any tool needs; code after this may recurse. */
export function isTooDeep (value: unknown, depth = 0): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (depth >= maxDepth) return true
  for (const key in value) {
    if (isTooDeep((value as Record<string, unknown>)[key], depth + 1)) return true
  }
  return false
}

interface ToolsCall { params: { name: string, arguments?: unknown } }

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
