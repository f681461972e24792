import { createHash } from 'node:crypto'
import { parseDocument } from 'yaml'
import { AllowlistInvalid } from './errors.ts'
import { parseLimits, type LimitsRule } from './limits/limits.ts'
import type { Policy } from './mcp/registry.ts'
import type { Principal } from './mcp/tool.ts'

/** What one role may call: names of tools, or patterns in which `*` stands for any run of characters. */
interface Rule { allow: readonly string[], deny: readonly string[], limits?: LimitsRule }

export interface Allowlist extends Policy {
  /** The names and patterns of the file that cover none of these tools. */
  unmatched: (toolNames: readonly string[]) => string[]
  /** Says in a sentence what a role may do with a tool, and which line of the file says so. */
  explain: (role: string, toolName: string) => { allowed: boolean, because: string }
}

// In the flat format it goes without saying; nothing else does, and a role must name it.
const implied = 'get_pool_status'
const namePattern = /^[a-z][a-z0-9_]*$/
const rolePattern = /^[\x21-\x7e]{1,128}$/

/**
 * Parses a policy: `allowed_tools`, exact names for every role, or `roles`, what each role may call. A principal may
 * call what one of its roles allows and that same role does not deny.
 * @throws AllowlistInvalid when the text is no such policy
 */
export function parseAllowlist (text: string, path: string): Allowlist {
  const invalid = (reason: string): Error => new AllowlistInvalid(path, reason)
  const document = parseDocument(text) // refuses a key that stands twice
  const fault = document.errors[0]
  if (fault !== undefined) throw invalid((fault.message.split('\n')[0] as string).replace(/:$/, ''))
  const policy = valueOf(document, invalid)
  if (!isMapping(policy)) throw invalid('it must be a mapping with the key allowed_tools or roles')
  const unknown = Object.keys(policy).find((key) => !['allowed_tools', 'roles', 'limits'].includes(key))
  if (unknown !== undefined) throw invalid(`unknown key ${JSON.stringify(unknown)}; the keys are allowed_tools or roles, and limits if need be`)
  if ('allowed_tools' in policy && 'roles' in policy) throw invalid('it has both allowed_tools and roles; keep one')

  const digest = createHash('sha256').update(text).digest('hex')
  const everybody = 'limits' in policy ? parseLimits('limits', policy.limits, invalid) : {}
  if (!('roles' in policy)) {
    if (!isListOfNames(policy.allowed_tools)) throw invalid('allowed_tools must be a list of tool names; write allowed_tools: [] to allow none')
    return flat(policy.allowed_tools, everybody, digest)
  }
  if (!isMapping(policy.roles)) throw invalid('roles must be a mapping from a role to what it may call; write roles: {} to allow none')
  return withRoles(new Map(Object.entries(policy.roles).map(([role, rule]) => [role, ruleOf(role, rule, invalid)])), everybody, digest)
}

/** What holds while there is no valid policy. */
export const blockEverything: Allowlist = {
  digest: 'none',
  unmatched: () => [],
  allows: () => false,
  explain: () => ({ allowed: false, because: 'there is no valid policy, so every tool is blocked' })
}

function flat (named: string[], everybody: LimitsRule, digest: string): Allowlist {
  const tools = new Set([...named, implied])
  return {
    digest,
    unmatched: (toolNames) => [...named, ...toolsOf(everybody)].filter((name) => !toolNames.includes(name)),
    limits: () => ({ everybody, rules: [] }),
    rolesOf: () => [],
    allows: (_principal, toolName) => tools.has(toolName),
    explain: (_role, toolName) => named.includes(toolName)
      ? { allowed: true, because: `allowed_tools names ${toolName}, for every role` }
      : toolName === implied ? { allowed: true, because: `${implied} goes without saying in the flat format` } : { allowed: false, because: `allowed_tools does not name ${toolName}` }
  }
}

function withRoles (rules: ReadonlyMap<string, Rule>, everybody: LimitsRule, digest: string): Allowlist {
  const explain: Allowlist['explain'] = (role, toolName) => {
    const rule = rules.get(role)
    if (rule === undefined) return { allowed: false, because: `there is no role ${role}` }
    const denied = rule.deny.find((entry) => matches(entry, toolName))
    if (denied !== undefined) return { allowed: false, because: `roles.${role}.deny has ${denied}` }
    const allowed = rule.allow.find((entry) => matches(entry, toolName))
    return allowed === undefined ? { allowed: false, because: `roles.${role}.allow has nothing that matches ${toolName}` } : { allowed: true, because: `roles.${role}.allow has ${allowed}` }
  }
  return {
    digest,
    unmatched: (toolNames) => {
      const entries = new Set([...toolsOf(everybody), ...[...rules.values()].flatMap(({ allow, deny, limits }) => [...allow, ...deny, ...toolsOf(limits)])])
      return [...entries].filter((entry) => !toolNames.some((name) => matches(entry, name)))
    },
    allows: ({ roles }: Principal, toolName) => roles.some((role) => explain(role, toolName).allowed),
    rolesOf: ({ roles }) => roles.filter((role) => rules.has(role)),
    limits: ({ roles }, toolName) => ({
      everybody,
      rules: roles.filter((role) => toolName === undefined || explain(role, toolName).allowed).flatMap((role) => rules.get(role)?.limits ?? [])
    }),
    explain
  }
}

/** Whether a name or pattern of a policy covers a tool; linear in both. */
export function matches (entry: string, toolName: string): boolean {
  if (!entry.includes('*')) return entry === toolName
  const parts = entry.split('*')
  const [first = '', last = ''] = [parts[0], parts.at(-1)]
  if (toolName.length < first.length + last.length || !toolName.startsWith(first) || !toolName.endsWith(last)) return false
  let from = first.length
  for (const part of parts.slice(1, -1)) {
    const found = toolName.indexOf(part, from)
    if (found === -1 || found + part.length > toolName.length - last.length) return false
    from = found + part.length
  }
  return true
}

function ruleOf (role: string, rule: unknown, invalid: (reason: string) => Error): Rule {
  if (!rolePattern.test(role)) throw invalid(`${JSON.stringify(role.slice(0, 64))} can't be a role; use at most 128 visible ASCII characters`)
  if (!isMapping(rule)) throw invalid(`roles.${role} must be a mapping with the key allow, and deny if need be`)
  const unknown = Object.keys(rule).find((key) => !['allow', 'deny', 'limits'].includes(key))
  if (unknown !== undefined) throw invalid(`roles.${role} has an unknown key ${JSON.stringify(unknown)}; the keys are allow, deny and limits`)
  const { allow, deny = [] } = rule
  for (const [key, list] of [['allow', allow], ['deny', deny]] as const) {
    if (!isListOfNames(list)) throw invalid(`roles.${role}.${key} must be a list of tool names; write ${key}: [] for none`)
    const bad = list.find((entry) => !namePattern.test(entry.replaceAll('*', 'a')))
    if (bad !== undefined) throw invalid(`roles.${role}.${key} has ${JSON.stringify(bad.slice(0, 64))}, which is neither the name of a tool nor a pattern such as get_*`)
  }
  return { allow: allow as string[], deny: deny as string[], ...'limits' in rule ? { limits: parseLimits(`roles.${role}.limits`, rule.limits, invalid) } : {} }
}

function toolsOf ({ tools = {} }: LimitsRule = {}): string[] {
  return Object.keys(tools)
}

function valueOf (document: ReturnType<typeof parseDocument>, invalid: (reason: string) => Error): unknown {
  try {
    return document.toJS()
  } catch (error) { // an alias of nothing, or too many of them
    throw invalid((error as Error).message.split('\n')[0] as string)
  }
}

function isMapping (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
}

function isListOfNames (value: unknown): value is string[] {
  return Array.isArray(value) && value.every((name) => typeof name === 'string')
}
