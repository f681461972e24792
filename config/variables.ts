import { readFileSync } from 'node:fs'
import { envSchema as validate } from 'env-schema'
import type { Ajv } from 'ajv'
import type { Static, TObject, TSchema } from 'typebox'

export type Environment = Record<string, string | undefined>

/** The schema of one variable, with the keywords that config/env.ts adds to JSON Schema. */
export type Variable = TSchema & { type?: string, enum?: unknown[], pattern?: string, default?: unknown, minimum?: number, maximum?: number, minLength?: number, maxLength?: number, description?: string, errorMessage?: string, 'x-secret'?: boolean, 'x-default'?: string }

export interface Read<T extends TObject> {
  /** What is valid, defaults filled in; all of it when there are no problems. */
  values: Static<T>
  /** Names of the variables that somebody set. */
  given: ReadonlySet<string>
  /** Names of the variables that are wrong. */
  faulty: ReadonlySet<string>
  /** One sentence for each fault, never with a value in it. */
  problems: string[]
  /** The same by the name of the variable. */
  problemsOf: ReadonlyMap<string, string[]>
  warnings: string[]
}

const truth: Record<string, string> = { true: 'true', 1: 'true', yes: 'true', on: 'true', false: 'false', 0: 'false', no: 'false', off: 'false' }
const pythonLevels: Record<string, string> = { warning: 'warn', critical: 'fatal' }

/** The variables of a schema with their own schemas. */
export function variablesOf (schema: TObject): Array<[name: string, variable: Variable]> {
  return Object.entries(schema.properties) as Array<[string, Variable]>
}

/** Upper-case names with their values; empty counts as unset. */
export function byUpperName (environment: Environment): Map<string, string> {
  const byName = new Map<string, string>()
  for (const [name, value] of Object.entries(environment)) {
    const upper = name.toUpperCase()
    if (value === undefined || value === '' || (name !== upper && environment[upper])) continue
    byName.set(upper, value)
  }
  return byName
}

/** Reads the variables that a schema declares, each from its name in any case or from the file that NAME_FILE points to. */
export function readVariables<T extends TObject> (schema: T, environment: Environment): Read<T> {
  const problems: string[] = []
  const warnings: string[] = []
  const faulty = new Set<string>()
  const problemsOf = new Map<string, string[]>()
  const data: Record<string, string> = {}
  const byName = byUpperName(environment)
  for (const [name, variable] of variablesOf(schema)) {
    const before = problems.length
    const value = valueOf(name, byName, problems, warnings)
    if (problems.length > before) {
      faulty.add(name)
      problemsOf.set(name, problems.slice(before))
    }
    if (value !== undefined) data[name] = normalized(name, variable, value)
  }
  const values = validated(schema, data, faulty, (name, problem) => {
    problems.push(problem)
    problemsOf.set(name, [problem])
  })
  return { values, given: new Set(Object.keys(data)), faulty, problems, problemsOf, warnings }
}

function normalized (name: string, variable: Variable, value: string): string {
  const lower = value.toLowerCase()
  if (variable.type === 'boolean') return truth[lower] ?? value
  if (variable.enum !== undefined) {
    const wanted = name === 'LOG_LEVEL' ? pythonLevels[lower] ?? lower : lower
    const options = variable.enum.map(String)
    const isList = options.some((option) => option.includes(','))
    return options.find((option) => option.toLowerCase() === (isList ? inOrder(wanted) : wanted)) ?? value
  }
  const isNumber = variable.type === 'integer' || variable.type === 'number'
  return isNumber && !Number.isFinite(Number(value)) ? 'no number' : value // the validator would take Infinity
}

/** An enum whose options have commas takes their parts in any order. */
function inOrder (list: string): string {
  return [...new Set(list.split(',').map((part) => part.trim()))].sort().join(',')
}

function valueOf (name: string, byName: Map<string, string>, problems: string[], warnings: string[]): string | undefined {
  const path = byName.get(`${name}_FILE`)
  const direct = byName.get(name)
  let value = direct
  if (path !== undefined) {
    if (direct !== undefined) {
      problems.push(`${name} and ${name}_FILE are both set; keep one`)
      return undefined
    }
    try {
      value = readFileSync(path, 'utf8')
    } catch (error) {
      problems.push(`${name}_FILE names a file that can't be read (${(error as NodeJS.ErrnoException).code})`)
      return undefined
    }
    if (value.trim() === '') problems.push(`${name}_FILE names an empty file`)
  }
  const trimmed = value?.trim()
  if (trimmed !== value && path === undefined) warnings.push(`${name} has white space around its value, which is ignored`)
  return trimmed === '' ? undefined : trimmed
}

interface Fault { instancePath: string, keyword: string, message?: string, params: { missingProperty?: string } }

/** What of the data is valid, defaults filled in; the rest is named in `faulty` and `problems`. */
function validated<T extends TObject> (schema: T, data: Record<string, string>, faulty: Set<string>, onProblem: (name: string, problem: string) => void): Static<T> {
  const faults = faultsIn(schema, data)
  for (const [name, variable] of variablesOf(schema)) {
    const fault = faults.find(({ instancePath, params }) => instancePath.slice(1) === name || (instancePath === '' && params.missingProperty === name))
    if (fault === undefined || faulty.has(name)) continue
    faulty.add(name)
    onProblem(name, fault.keyword === 'required' ? `${name} is required` : `${name} ${variable.errorMessage ?? expected(variable) ?? fault.message ?? 'is not valid'}`)
  }
  const kept = Object.fromEntries(Object.entries(data).filter(([name]) => !faulty.has(name)))
  const required = ((schema as { required?: string[] }).required ?? []).filter((name) => !faulty.has(name))
  return check({ ...structuredClone(schema), required }, kept)
}

/** What an operator should write where the declaration has no sentence of its own. */
function expected ({ type, enum: options, minimum, maximum }: Variable): string | undefined {
  if (options !== undefined) return `must be one of ${options.join(', ')}`
  if (type === 'boolean') return 'must be true or false'
  if (type !== 'integer' && type !== 'number') return undefined
  const range = [minimum === undefined ? '' : ` from ${minimum}`, maximum === undefined ? '' : ` up to ${maximum}`].join('')
  return `must be a ${type === 'integer' ? 'whole number' : 'number'}${range}`
}

function faultsIn (schema: TObject, data: Record<string, string>): Fault[] {
  try {
    check(structuredClone(schema), data)
    return []
  } catch (error) {
    const { errors } = error as { errors?: Fault[] }
    if (errors === undefined) throw error
    return errors
  }
}

function check<T> (schema: object, data: Record<string, string>): T {
  return validate<T>({ schema: schema as never, data: { ...data }, env: false, ajv: { customOptions: ownKeywords } })
}

/** Teaches the validator the keywords that declarations add to JSON Schema. */
export function ownKeywords (ajv: Ajv): Ajv {
  return ajv.addKeyword('x-secret').addKeyword('x-default').addKeyword('errorMessage')
}
