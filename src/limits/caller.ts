import type { Principal } from '../mcp/tool.ts'

const keys = new WeakMap<Principal, string>()

/** What buckets and queues of a principal are keyed by; two principals never share one. */
export function callerKey (principal: Principal): string {
  const known = keys.get(principal)
  if (known !== undefined) return known
  const { kind, tenant, id } = principal
  const key = JSON.stringify(tenant === undefined ? [kind, id] : [kind, id, tenant])
  keys.set(principal, key)
  return key
}
