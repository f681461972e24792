import type { Principal } from '../mcp/tool.ts'

/** What buckets and queues of a principal are keyed by; two principals never share one. */
export function callerKey ({ kind, tenant, id }: Principal): string {
  return JSON.stringify(tenant === undefined ? [kind, id] : [kind, id, tenant])
}
