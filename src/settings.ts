import { isDeepStrictEqual } from 'node:util'
import { Type, type Static, type TObject, type TSchemaOptions, type TString } from 'typebox'
import { envSchema, reserved } from '../config/env.ts'
import { readVariables, variablesOf, type Environment, type Variable } from '../config/variables.ts'
import { SettingsInvalid } from './errors.ts'

/** One variable that a tool or plugin reads besides those of the server. */
export interface DeclaredSetting { name: string, owners: string[], variable: Variable, isRequired: boolean }

/** Reads what tools and plugins declare; what is wrong is kept until all of them are known. */
export interface Settings {
  /** @throws SettingsInvalid when the declaration itself is wrong */
  read: <C extends TObject>(owner: string, schema: C) => Readonly<Static<C>>
  problems: () => string[]
  warnings: () => string[]
  declared: () => readonly DeclaredSetting[]
}

const settingName = /^[A-Z][A-Z0-9_]*$/
const settingTypes = ['string', 'integer', 'number', 'boolean']

/** A setting whose value is never shown: it may come from NAME_FILE, and the documentation says so. */
export function Secret (options: TSchemaOptions & { description: string, minLength?: number, pattern?: string, errorMessage?: string }): TString {
  return Type.String({ ...options, 'x-secret': true })
}

export function createSettings (environment: Environment): Settings {
  const declared: DeclaredSetting[] = []
  const problems: string[] = []
  const warnings: string[] = []

  return {
    read: (owner, schema) => {
      const fault = faultOf(schema, declared)
      if (fault !== undefined) throw new SettingsInvalid(owner, fault)
      const { required = [] } = schema as { required?: string[] }
      const names = new Set<string>()
      for (const [name, variable] of variablesOf(schema)) {
        const known = declared.find((setting) => setting.name === name)
        if (known === undefined) {
          names.add(name)
          declared.push({ name, owners: [owner], variable, isRequired: required.includes(name) && variable.default === undefined })
        } else if (!known.owners.includes(owner)) known.owners.push(owner)
      }

      const read = readVariables(schema, environment)
      const isAboutNew = (sentence: string): boolean => names.has(/^[A-Z0-9_]+?(?=(_FILE)? )/.exec(sentence)?.[0] ?? '')
      problems.push(...read.problems.filter(isAboutNew).map((problem) => `${problem} (${owner})`))
      warnings.push(...read.warnings.filter(isAboutNew))
      return Object.freeze(read.values)
    },
    problems: () => problems,
    warnings: () => warnings,
    declared: () => declared
  }
}

function faultOf (schema: TObject, declared: readonly DeclaredSetting[]): string | undefined {
  if ((schema as { type?: unknown } | null)?.type !== 'object') return 'its config must be an object schema (type: object)'
  for (const [name, variable] of variablesOf(schema)) {
    const fault = variableFault(name, variable) ?? conflict(name, variable, declared)
    if (fault !== undefined) return `setting ${name} ${fault}`
  }
  return undefined
}

function variableFault (name: string, variable: Variable): string | undefined {
  if (!settingName.test(name)) return 'is read from the environment, so its name must match [A-Z][A-Z0-9_]*'
  if (name.endsWith('_FILE')) return 'ends in _FILE, which is how the file of a value is named; rename it'
  if (name in envSchema.properties || (reserved as readonly string[]).includes(name)) return 'is a variable of the server; take another name'
  if (/^(PORTCULLIS|OTEL|FASTIFY|NODE|NPM)_/.test(name)) return 'has a prefix that belongs to others; take another name'
  if (variable.enum === undefined && !settingTypes.includes(variable.type ?? '')) return `must be one of ${settingTypes.join(', ')} or an enum`
  if (typeof variable.description !== 'string' || variable.description === '') return 'has no description; the documentation is made from it'
  return undefined
}

function conflict (name: string, variable: Variable, declared: readonly DeclaredSetting[]): string | undefined {
  const other = declared.find((known) => known.name === name && !isDeepStrictEqual(plain(known.variable), plain(variable)))
  return other === undefined ? undefined : `is declared otherwise by ${other.owners[0]}; declare both alike, or rename one`
}

function plain (variable: Variable): unknown {
  return JSON.parse(JSON.stringify(variable))
}
