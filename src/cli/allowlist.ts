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
  const { file, role, tool, also = [] } = parseArgs({ args, options: { file: { type: 'string' }, role: { type: 'string' }, tool: { type: 'string' }, also: { type: 'string', multiple: true } } }).values
  const path = file ?? loadConfig(undefined, () => []).config.ALLOWLIST_PATH
  if (action === 'check') return check(read(path), path, also)
  if (action !== 'explain' || role === undefined || tool === undefined) throw new UsageError('write: allowlist check, or allowlist explain --role R --tool T')
  const { allowed, because } = read(path).explain(role, tool)
  console.log(`${allowed ? 'allowed' : 'denied'}: ${because}`)
}

/** The tools of `tools/` go by the names of their files; those of packages are named with --also. */
function check (policy: Allowlist, path: string, also: string[]): void {
  const names = [...readdirSync(toolsFolder).filter((name) => /^[a-z0-9-]+\.[jt]s$/.test(name)).map((name) => name.replace(/\.[jt]s$/, '').replaceAll('-', '_')), ...also]
  const unmatched = policy.unmatched(names)
  if (unmatched.length > 0) throw new AllowlistUnmatched(path, unmatched.join(', '), names.join(', '))
  console.log(`${path} is valid; its digest is ${policy.digest}`)
}

function read (path: string): Allowlist {
  return parseAllowlist(readFileSync(path, 'utf8'), path)
}
