import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseAllDocuments, parseDocument } from 'yaml'
import { whyMissing } from './deploy-tools.ts'

export const chart = 'charts/portcullis'
const program = execFileSync('scripts/tools/helm.sh', ['--where'], { encoding: 'utf8' }).trim()

/** Why no helm runs here, or false. */
export const whyNoHelm = whyMissing(existsSync(program), 'helm is not built; scripts/tools/helm.sh builds it')

/** Names of the files in ci/, each a way to run the server. */
export const scenarios = readdirSync(join(chart, 'ci')).map((file) => file.replace('-values.yaml', ''))
export const scenarioFile = (name: string): string => join(chart, 'ci', `${name}-values.yaml`)

/** An object that the chart renders. Below `spec` every kind is different. */
export interface KubernetesObject {
  apiVersion: string
  kind: string
  metadata: { name: string, namespace: string, labels: Record<string, string>, annotations?: Record<string, string> }
  spec?: any
  data?: Record<string, string>
  stringData?: Record<string, string>
}

export interface Ran { ok: boolean, output: string, errors: string }

// What a person has set up for helm, such as a cluster, is left out of it.
export function helm (args: string[], env: Record<string, string> = {}): Ran {
  const home = mkdtempSync(join(tmpdir(), 'portcullis-helm-'))
  try {
    const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', maxBuffer: 1e8, env: { PATH: process.env.PATH, HOME: home, ...env } })
    return { ok: status === 0, output: stdout, errors: stderr }
  } finally {
    rmSync(home, { recursive: true })
  }
}

export interface RenderOptions { kubeVersion?: string, release?: string, from?: string }

/** What `helm template` prints for a file of values. */
export function renderText (valuesFile: string, { kubeVersion = '1.36.0', release = 'portcullis', from = chart }: RenderOptions = {}): string {
  const { ok, output, errors } = helm(['template', release, from, '-n', 'mcp-system', '-f', valuesFile, '--kube-version', kubeVersion])
  if (!ok) throw new Error(errors)
  return output
}

const rendered = new Map<string, string>()

/** The same for a scenario, rendered once. */
export function scenarioText (name: string): string {
  const text = rendered.get(name) ?? renderText(scenarioFile(name))
  rendered.set(name, text)
  return text
}

export function objectsIn (text: string): KubernetesObject[] {
  return parseAllDocuments(text).map((document) => document.toJS()).filter((object) => object !== null)
}

export function scenarioObjects (name: string): KubernetesObject[] {
  return objectsIn(scenarioText(name))
}

/** What values that only one test has render; a string is YAML. */
export function renderValues (values: object | string, options: RenderOptions = {}): KubernetesObject[] {
  return objectsIn(withValues(values, (file) => renderText(file, options)))
}

/** What helm says to such values. */
export function refusalOf (values: object | string): string | undefined {
  const { ok, errors } = withValues(values, (file) => helm(['template', 'portcullis', chart, '-f', file]))
  return ok ? undefined : errors
}

export function withValues<T> (values: object | string, use: (file: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-values-'))
  const file = join(folder, 'values.yaml')
  writeFileSync(file, typeof values === 'string' ? values : JSON.stringify(values)) // JSON is YAML
  try {
    return use(file)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** The one object of a kind. */
export function only (objects: KubernetesObject[], kind: string, name?: string): KubernetesObject {
  const found = objects.filter((object) => object.kind === kind && (name === undefined || object.metadata.name === name))
  if (found.length !== 1) throw new Error(`${found.length} objects of kind ${kind}`)
  return found[0] as KubernetesObject
}

/** The chart's own default of every value. */
export function defaultValues (): any {
  return parseDocument(readFileSync(join(chart, 'values.yaml'), 'utf8')).toJS()
}
