import { createHash } from 'node:crypto'
import { parseDocument } from 'yaml'
import { AllowlistInvalid } from './errors.ts'
import type { Policy } from './mcp/registry.ts'

export interface Allowlist extends Policy {
  tools: ReadonlySet<string>
  /** The names as the file has them. */
  named: readonly string[]
}

// In the flat format it goes without saying; nothing else does.
const implied = 'get_pool_status'

/**
 * Parses the flat format: `allowed_tools`, a list of exact tool names, for every role.
 * @throws AllowlistInvalid when the text is no such policy
 */
export function parseAllowlist (text: string, path: string): Allowlist {
  const document = parseDocument(text) // refuses a key that stands twice
  const fault = document.errors[0]
  if (fault !== undefined) throw new AllowlistInvalid(path, (fault.message.split('\n')[0] as string).replace(/:$/, ''))
  const policy = valueOf(document, path)
  if (typeof policy !== 'object' || policy === null || Array.isArray(policy)) throw new AllowlistInvalid(path, 'it must be a mapping with the key allowed_tools')
  const unknown = Object.keys(policy).find((key) => key !== 'allowed_tools')
  if (unknown !== undefined) throw new AllowlistInvalid(path, `unknown key ${JSON.stringify(unknown)}; the only key is allowed_tools`)
  const names = (policy as { allowed_tools?: unknown }).allowed_tools
  if (!Array.isArray(names) || !names.every((name) => typeof name === 'string')) throw new AllowlistInvalid(path, 'allowed_tools must be a list of tool names; write allowed_tools: [] to allow none')
  return allowing(names, [...names, implied], createHash('sha256').update(text).digest('hex'))
}

function valueOf (document: ReturnType<typeof parseDocument>, path: string): unknown {
  try {
    return document.toJS()
  } catch (error) { // an alias of nothing, or too many of them
    throw new AllowlistInvalid(path, (error as Error).message.split('\n')[0] as string)
  }
}

/** What holds while there is no valid policy. */
export const blockEverything: Allowlist = allowing([], [], 'none')

function allowing (named: string[], allowed: string[], digest: string): Allowlist {
  const tools = new Set(allowed)
  return { digest, tools, named, allows: (_principal, toolName) => tools.has(toolName) }
}
