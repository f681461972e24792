import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { whyMissing } from './deploy-tools.ts'

const folder = execFileSync('scripts/tools/kubernetes.sh', ['--where'], { encoding: 'utf8' }).trim()

/** Why rendered objects are not checked here, or false. */
export const whyNoChecks = whyMissing(existsSync(folder), 'kubeconform, kube-score and k8s-check are not built; scripts/tools/kubernetes.sh builds them')

export interface Verdict { ok: boolean, output: string }

function run (program: string, args: string[], files: string[]): Verdict {
  const { status, stdout, stderr } = spawnSync(join(folder, program), [...args, ...files], { encoding: 'utf8', maxBuffer: 1e8 })
  return { ok: status === 0, output: stdout + stderr }
}

/** Each object against a closed schema of its kind; a kind without a schema fails. */
export function schemas (...files: string[]): Verdict {
  return run('kubeconform', ['-strict', '-summary', '-schema-location', join(folder, 'schemas/{{.Group}}/{{.ResourceKind}}_{{.ResourceAPIVersion}}.json')], files)
}

/** Each object as an API server reads it, and pods against the restricted profile. */
export function apiServer (...files: string[]): Verdict {
  return run('k8s-check', ['-crds', join(folder, 'crds')], files)
}

/** What kube-score is told to leave alone, each with the reason. */
const exclusions: Record<string, string> = {
  'container-image-pull-policy': 'wants Always: a tag that does not move and a digest do that work, and a node can start pods without the registry'
}

/** What is good practice, warnings aside. The objects of one release belong into one file: some are judged by others. */
export function practice (...files: string[]): Verdict {
  return run('kube-score', ['score', '--kubernetes-version', 'v1.36', '--output-format', 'ci', ...Object.keys(exclusions).flatMap((name) => ['--ignore-test', name])], files)
}
