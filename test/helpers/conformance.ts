import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parse } from 'yaml'

const checkout = resolve(import.meta.dirname, '../..')
const suite = 'node_modules/@modelcontextprotocol/conformance'

export type Revision = '2026-07-28' | '2025-11-25'

interface Check { id: string, status: 'SUCCESS' | 'FAILURE' | 'WARNING' | 'INFO' | 'SKIPPED', errorMessage?: string }

/** Scenarios by what the suite says of them, sorted. */
export interface Verdict {
  passed: string[]
  failed: string[]
  warned: string[]
  /** The failed checks by id, with the suite's reasons. */
  faults: Record<string, string | undefined>
}

/** Names of the server scenarios that the suite counts for a revision. */
export function scoredScenarios (revision: Revision): string[] {
  return parse(readFileSync(join(checkout, suite, 'requirements', `${revision}.yaml`), 'utf8')).server.sort()
}

/** What may be found wanting, by name; see the file for the reasons. */
export function exceptionsOf (server: Revision | 'as shipped'): { failed: string[], warned: string[], failedChecks: string[] } {
  const all = parse(readFileSync(join(checkout, 'test/conformance/exceptions.yaml'), 'utf8')) as Record<string, Record<string, string[]>>
  const { failed = [], warned = [], 'failed checks': failedChecks = [] } = all[server] ?? {}
  return { failed, warned, failedChecks }
}

/** Runs scenarios of the official suite against a server: all of a revision, or those named. */
export async function judge (url: string, revision: Revision, scenarios?: string[]): Promise<Verdict> {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-conformance-'))
  try {
    if (scenarios === undefined) await runSuite(url, folder, ['--requirements', revision])
    for (const scenario of scenarios ?? []) await runSuite(url, folder, ['--scenario', scenario, '--spec-version', revision])
    return verdictIn(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

async function runSuite (url: string, folder: string, args: string[]): Promise<void> {
  const child = spawn(process.execPath, [
    '--import', './test/conformance/fs-shim.mjs', join(suite, 'dist/index.js'),
    'server', '--url', url, '--output-dir', folder, '--timeout', '60000', ...args
  ], { cwd: checkout, stdio: 'ignore' })
  await once(child, 'close')
}

/** Reads the suite's own records: its exit code says less. */
function verdictIn (folder: string): Verdict {
  const verdict: Verdict = { passed: [], failed: [], warned: [], faults: {} }
  for (const name of readdirSync(folder).sort()) {
    const scenario = name.replace(/^server-/, '').replace(/-\d{4}-\d\d-\d\dT.*$/, '')
    const checks: Check[] = JSON.parse(readFileSync(join(folder, name, 'checks.json'), 'utf8'))
    const has = (status: Check['status']): boolean => checks.some((check) => check.status === status)
    for (const { id, status, errorMessage } of checks) if (status === 'FAILURE') verdict.faults[id] = errorMessage
    if (has('FAILURE') || checks.length === 0) verdict.failed.push(scenario)
    else if (has('WARNING')) verdict.warned.push(scenario)
    else verdict.passed.push(scenario)
  }
  return verdict
}
