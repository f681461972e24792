import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import t from 'tap'
import { parse } from 'yaml'
import { reserved, variables } from '../../config/env.ts'
import { chart, defaultValues, refusalOf, scenarioFile, scenarios, whyNoHelm } from '../helpers/chart.ts'

type Schema = Record<string, any>
const schema: Schema = JSON.parse(readFileSync(join(chart, 'values.schema.json'), 'utf8'))
const invalid = readdirSync(join(chart, 'tests/invalid')).map((file) => [file, readFileSync(join(chart, 'tests/invalid', file), 'utf8')] as const)
const expectedOf = (text: string): string => /^# refused: (.+)/.exec(text)?.[1] ?? ''

t.test('each file in tests/invalid is refused with its reason', { skip: whyNoHelm }, async (t) => {
  for (const [file, text] of invalid) {
    t.not(expectedOf(text), '', `${file} says why`)
    t.match(refusalOf(text), expectedOf(text), file)
  }
  t.equal(refusalOf(''), undefined, 'nothing set is not refused')
})

t.test('every reason that the templates know has such a file', async (t) => {
  const reasons = readdirSync(join(chart, 'templates')).filter((file) => file.startsWith('_validate-'))
    .flatMap((file) => [...readFileSync(join(chart, 'templates', file), 'utf8').matchAll(/^- "(.+)"$/gm)].map(([, reason = '']) => reason))
  t.ok(reasons.length > 30, `${reasons.length} reasons`)
  for (const reason of reasons) t.ok(invalid.some(([, text]) => fits(reason, expectedOf(text))), reason)
})

/** Whether the sentence could be what a template's reason becomes, or a part of it. */
function fits (reason: string, sentence: string): boolean {
  const fixed = reason.split(/\{\{[^}]*\}\}/).map((part) => part.trim()).filter((part) => part.length >= 6)
  return sentence !== '' && fixed.some((part) => sentence.includes(part.slice(0, 24)) || part.includes(sentence))
}

t.test('everything that is wrong is told at once', { skip: whyNoHelm }, async (t) => {
  const text = refusalOf({ keda: { enabled: true }, audit: { enabled: true }, shutdown: { preStopSeconds: 0 } }) ?? ''
  for (const part of ['two autoscalers', 'no audit log', 'preStopSeconds must be at least 1']) t.match(text, part)
})

const ajv = new Ajv2020({ allErrors: true, allowUnionTypes: true, strict: true, strictTypes: false, strictRequired: false })

t.test('the schema is one, takes every scenario and every default, and refuses a typo in any of them', async (t) => {
  const isValid = ajv.compile(schema)
  t.ok(isValid(defaultValues()), JSON.stringify(isValid.errors))
  for (const name of scenarios) t.ok(isValid(overDefaults(parse(readFileSync(scenarioFile(name), 'utf8')) ?? {})), name)
  t.equal(JSON.stringify(schema).match(/"unevaluatedProperties":false(?!,"additionalProperties":false)/), null, 'helm says of the second what is not allowed, of the first alone "false schema"')
  for (const path of closedObjects(schema)) t.notOk(isValid(overDefaults(nested(path, { tpyo: 1 }))), `${path.join('.')}.tpyo`)
})

/** As helm merges them before it looks at the schema. */
function overDefaults (values: any, defaults = defaultValues()): any {
  if (!isMap(values) || !isMap(defaults)) return values
  return Object.fromEntries([...new Set([...Object.keys(defaults), ...Object.keys(values)])].filter((key) => values[key] !== null).map((key) => [key, key in values ? overDefaults(values[key], defaults[key]) : defaults[key]]))
}
const isMap = (value: unknown): boolean => typeof value === 'object' && value !== null && !Array.isArray(value)

t.test('a value that is set to null is refused, or can be done without', { skip: whyNoHelm }, async (t) => {
  const paths = (node: Schema, path: string[] = []): string[][] => Object.entries<Schema>(node.properties ?? {}).flatMap(([key, child]) => [[...path, key], ...paths(child, [...path, key])])
  for (const path of paths(schema).filter(([first]) => first !== 'env' && first !== 'adot')) {
    const said = refusalOf(nested(path, null) as object)
    t.ok(said === undefined || said.includes('values don\'t meet') || said.includes('portcullis/templates/validate.yaml:8:4'), `${path.join('.')}: ${said ?? ''}`)
  }
})

/** Paths of the objects whose properties are known. */
function closedObjects (node: Schema, path: string[] = []): string[][] {
  if (node.properties === undefined) return []
  return [path, ...Object.entries<Schema>(node.properties).flatMap(([key, child]) => closedObjects(child, [...path, key]))]
}

const nested = (path: string[], value: unknown): unknown => path.reduceRight((inner, key) => ({ [key]: inner }), value)

t.test('the schema and values.yaml know the same values', async (t) => {
  const inSchema = closedObjects(schema).flatMap((path) => Object.keys(at(schema, path)).map((key) => [...path, key].join('.')))
  const inValues = (node: unknown, path: string[], known: Schema | undefined): string[] => known?.properties === undefined ? [] : Object.entries(node as object).flatMap(([key, value]) => [[...path, key].join('.'), ...inValues(value, [...path, key], known.properties[key])])
  const values = new Set(inValues(defaultValues(), [], schema))
  t.same([...values].filter((path) => !inSchema.includes(path)), [])
  t.same(inSchema.filter((path) => !values.has(path) && !path.startsWith('env.')), ['enabled', 'adot'], 'but what a parent chart says of this one, and the old name that is refused with the new one')
})

const at = (node: Schema, path: string[]): Schema => path.reduce<Schema>((inner, key) => inner.properties[key], node).properties

/** Set by the chart from values of its own. */
const ofTheChart = ['PORT', 'ALLOWED_HOSTS', 'ALLOWED_ORIGINS', 'ALLOWLIST_PATH', 'SHUTDOWN_DELAY_MS', 'SHUTDOWN_GRACE_MS', 'OTEL_EXPORTER_OTLP_ENDPOINT', 'OTEL_EXPORTER_OTLP_PROTOCOL', 'OTEL_EXPORTER_PROMETHEUS_HOST', 'OTEL_EXPORTER_PROMETHEUS_PORT', 'OTEL_RESOURCE_ATTRIBUTES']

t.test('env takes exactly the variables that the server reads, less secrets and what the chart sets', async (t) => {
  const wanted = variables.filter(([name, variable]) => variable['x-secret'] !== true && !ofTheChart.includes(name)).map(([name]) => name)
  t.same(Object.keys(schema.properties.env.properties).sort(), wanted.sort())
  const secrets = variables.filter(([, variable]) => variable['x-secret'] === true).map(([name]) => name as string)
  t.same(defaultValues().secret.keys.filter((name: string) => !secrets.includes(name)), [], 'the Secret has secrets only')
})

t.test('the chart knows the variables of the server', async (t) => {
  t.equal(readFileSync(join(chart, 'files/variables.txt'), 'utf8'), variables.map(([name]) => `${name}\n`).join(''))
})

t.test('the chart refuses what the server reserves', async (t) => {
  const list = /define "portcullis.reserved"[^]*?list ([^)]*)\)/.exec(readFileSync(join(chart, 'templates/_validate-secrets.tpl'), 'utf8'))?.[1] ?? ''
  t.same(list.match(/\w+/g), [...reserved])
})

t.test('the chart knows which variables are secrets', async (t) => {
  const list = /define "portcullis.secretVariables"[^]*?list ([^)]*)\)/.exec(readFileSync(join(chart, 'templates/_env.tpl'), 'utf8'))?.[1] ?? ''
  t.same(list.match(/\w+/g)?.sort(), variables.filter(([, variable]) => variable['x-secret'] === true).map(([name]) => name as string).sort())
})

t.test('the table of values is what npm run chart:docs writes, and a value without a comment is refused', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-chart-docs-'))
  t.teardown(() => { rmSync(folder, { recursive: true }) })
  cpSync('scripts', join(folder, 'scripts'), { recursive: true })
  cpSync(chart, join(folder, chart), { recursive: true })
  symlinkSync(resolve('node_modules'), join(folder, 'node_modules'))
  const check = (change: (text: string) => string): string => {
    writeFileSync(join(folder, chart, 'values.yaml'), change(readFileSync(join(chart, 'values.yaml'), 'utf8')))
    return spawnSync(process.execPath, ['scripts/chart-docs.mjs', '--check'], { cwd: folder, encoding: 'utf8' }).stderr
  }
  t.equal(check((text) => text), '')
  t.match(check((text) => text.replace('replicaCount: 2', 'replicaCount: 3')), 'run: npm run chart:docs')
  t.match(check((text) => text.replace(/ {2}# -- Part of the memory.*\n/, '')), 'says nothing (# -- …) about node.maxOldSpacePercent')
})
