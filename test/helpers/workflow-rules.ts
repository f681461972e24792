import { parse } from 'yaml'

interface Step { uses?: string, run?: string, with?: Record<string, unknown> }
interface Job { permissions?: Record<string, string> | string, 'timeout-minutes'?: number, 'runs-on'?: string, steps?: Step[], uses?: string }
interface Workflow { on: Record<string, unknown>, permissions?: unknown, concurrency?: { group?: string }, jobs: Record<string, Job> }

/** What a job may ask for beyond reading, and for which step; anything else is too much. */
const grants: Record<string, RegExp> = {
  packages: /docker\/login-action@/,
  'id-token': /cosign|actions\/attest@/,
  attestations: /actions\/attest@/,
  'artifact-metadata': /actions\/attest@/,
  contents: /gh release create/,
  'security-events': /codeql-action\/analyze@/
}

/** Everything in a workflow that breaks a rule of ours, a sentence each. */
export function workflowProblems (text: string): string[] {
  const { on, permissions, concurrency, jobs } = parse(text) as Workflow
  return [
    ...unpinned(text),
    ...'pull_request_target' in on || 'workflow_run' in on ? ['it gives secrets to foreign code'] : [],
    ...JSON.stringify(permissions) === '{}' ? [] : ['it grants rights to all of its jobs'],
    ...concurrency?.group === undefined ? ['two runs get into each other\'s way: it has no concurrency group'] : [],
    ...Object.entries(jobs).flatMap(([name, job]) => jobProblems(job).map((problem) => `${name}: ${problem}`))
  ]
}

function unpinned (text: string): string[] {
  return [...text.matchAll(/^.*\buses:\s*(.*)$/gm)].map(([, uses = '']) => uses.trim())
    .filter((uses) => !uses.startsWith('./') && !/^[\w-]+\/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(uses))
    .map((uses) => `${uses} is not pinned to a commit with its version beside it`)
}

function jobProblems (job: Job): string[] {
  const { permissions = {}, steps = [], uses } = job
  const text = JSON.stringify(steps)
  const writes = Object.entries(permissions).filter(([, right]) => right !== 'read' && right !== 'none').map(([name]) => name)
  const tooMuch = typeof permissions === 'string' ? [permissions] : uses !== undefined ? [] : writes.filter((name) => grants[name]?.test(text) !== true)
  const reads = typeof permissions === 'string' || permissions.contents !== undefined
  return [
    ...text.includes('actions/checkout@') && !reads ? ['it may not read what it checks out'] : [],
    ...tooMuch.map((name) => `it may write ${name}, and no step needs that`),
    ...uses === undefined && !Number.isInteger(job['timeout-minutes']) ? ['it may run for ever'] : [],
    ...uses === undefined && !/^ubuntu-\d\d\.\d\d(-arm)?$/.test(job['runs-on'] ?? '') ? ['its runner is not of one version'] : [],
    ...steps.filter(({ run = '' }) => run.includes('${{')).map(() => 'an expression in a script is code of whoever wrote its value: hand it over in env'),
    ...steps.filter(({ uses = '', with: inputs }) => uses.startsWith('actions/checkout@') && inputs?.['persist-credentials'] !== false).map(() => 'the checkout leaves a token behind')
  ]
}
