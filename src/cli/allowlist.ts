import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { loadConfig } from '../../config/load.ts'
import { parseAllowlist, type Allowlist } from '../allowlist.ts'
import { AllowlistUnmatched } from '../errors.ts'
import { UsageError } from './usage-error.ts'

const toolsFolder = join(import.meta.dirname, '../../tools')

/** `portcullis allowlist check [--file F] [--also TOOL]` and `allowlist explain --role R --tool T [--file F]` */
export async function allowlistCommand ([action, ...args]: string[]): Promise<void> {
  const { file, role: roles, tool, also = [] } = parseArgs({ args, options: { file: { type: 'string' }, role: { type: 'string', multiple: true }, tool: { type: 'string' }, also: { type: 'string', multiple: true } } }).values
  const path = file ?? loadConfig(undefined, () => []).config.ALLOWLIST_PATH
  if (action === 'check') return check(read(path), path, also)
  if (action !== 'explain' || roles === undefined || tool === undefined) throw new UsageError('write: allowlist check, or allowlist explain --role R [--role R] --tool T')
  const policy = read(path)
  if (!toolNames(also).includes(tool)) console.error(`there is no tool "${tool}" in tools/; this is what would hold for one of a package`)
  const answers = roles.map((role) => policy.explain(role, tool))
  const { allowed, because } = answers.find(({ allowed }) => allowed) ?? answers[0] as typeof answers[number]
  console.log(`${allowed ? 'allowed' : 'denied'}: ${because}`)
}

/** The tools of `tools/` go by the names of their files; those of packages are named with --also. */
function toolNames (also: string[]): string[] {
  return [...readdirSync(toolsFolder).filter((name) => /^[a-z0-9-]+\.[jt]s$/.test(name)).map((name) => name.replace(/\.[jt]s$/, '').replaceAll('-', '_')), ...also]
}

function check (policy: Allowlist, path: string, also: string[]): void {
  const names = toolNames(also)
  const unmatched = policy.unmatched(names)
  if (unmatched.length > 0) throw new AllowlistUnmatched(path, unmatched.join(', '), names.join(', '))
  console.log(`${path} is valid; its digest is ${policy.digest}`)
}

function read (path: string): Allowlist {
  return parseAllowlist(readFileSync(path, 'utf8'), path)
}
