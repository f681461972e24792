import { isDeepStrictEqual } from 'node:util'
import { Type, type Static, type TObject, type TSchemaOptions, type TString } from 'typebox'
import { envSchema, reserved } from '../config/env.ts'
import { refuse } from '../config/load.ts'
import { readVariables, variablesOf, type Environment, type Read, type Variable } from '../config/variables.ts'
import { SettingsInvalid } from './errors.ts'

/** One variable that a tool or plugin reads besides those of the server. */
export interface DeclaredSetting { name: string, owners: string[], variable: Variable, isRequired: boolean }

/** Reads what tools and plugins declare; what is wrong is kept until all of them are known. */
export interface Settings {
  /** @throws SettingsInvalid when the declaration itself is wrong */
  read: <C extends TObject>(owner: string, schema: C) => Readonly<Static<C>>
  /**
   * Stops the boot when something is wrong; what is read later is refused at once.
   * @throws ConfigInvalid
   */
  check: () => void
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
  const problems = new Map<string, string[]>()
  const warnings = new Set<string>()
  let isChecked = false

  return {
    read: (owner, schema) => {
      const fault = faultOf(schema, declared)
      if (fault !== undefined) throw new SettingsInvalid(owner, fault)
      const { required = [] } = schema as { required?: string[] }
      for (const [name, variable] of variablesOf(schema)) {
        const isRequired = required.includes(name) && variable.default === undefined
        const known = declared.find((setting) => setting.name === name)
        if (known === undefined) declared.push({ name, owners: [owner], variable, isRequired })
        else {
          known.isRequired ||= isRequired
          if (!known.owners.includes(owner)) known.owners.push(owner)
        }
      }

      const { values, problemsOf, warnings: newWarnings } = readOrRefuse(owner, schema, environment)
      for (const [name, sentences] of problemsOf) {
        if (!problems.has(name)) problems.set(name, sentences.map((sentence) => `${sentence} (${owner})`))
        // a value that is not there stops whoever needs it at once, with the sentence that says so
        Object.defineProperty(values, name, { enumerable: true, get: () => { refuse(problems.get(name) ?? []) } })
      }
      for (const warning of newWarnings) warnings.add(warning)
      if (isChecked) refuse([...problemsOf.keys()].flatMap((name) => problems.get(name) ?? []))
      return Object.freeze(values)
    },
    check: () => {
      isChecked = true
      refuse([...problems.values()].flat())
    },
    problems: () => [...problems.values()].flat(),
    warnings: () => [...warnings],
    declared: () => declared
  }
}

/** The validator's own complaints about a declaration, such as a default out of range, get the owner's name. */
function readOrRefuse<C extends TObject> (owner: string, schema: C, environment: Environment): Read<C> {
  try {
    return readVariables(schema, environment)
  } catch (error) {
    throw new SettingsInvalid(owner, (error as Error).message)
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
  if (variable.enum?.some((option) => typeof option !== 'string') === true) return 'is an enum of other things than strings; write numbers as an integer with minimum and maximum'
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
