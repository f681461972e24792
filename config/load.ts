import { randomBytes } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { parseEnv } from 'node:util'
import { envSchema as validate } from 'env-schema'
import type { Ajv } from 'ajv'
import { envSchema, reserved, variables, type Env, type EnvName } from './env.ts'
import { crossChecks } from './rules.ts'
import { ConfigInvalid, oneLine } from '../src/errors.ts'

export type Environment = Record<string, string | undefined>
export type Config = Env & Required<Pick<Env, 'AUTH_MODE' | 'PORTCULLIS_SECRET'>>

export interface LoadedConfig {
  config: Config
  /** Names of the variables that somebody set. */
  given: ReadonlySet<string>
  warnings: string[]
}

const truth: Record<string, string> = { true: 'true', 1: 'true', yes: 'true', on: 'true', false: 'false', 0: 'false', no: 'false', off: 'false' }
const pythonLevels: Record<string, string> = { warning: 'warn', critical: 'fatal' }

/**
 * Reads, validates and completes the configuration. The preload, fastify.config.cjs, the command line and
 * plugins/env.ts all call it, so they can't disagree.
 * @param environment variables to read; default: `.env` of the working directory under `process.env`
 * @param checks rules between variables; a command that needs few of them brings its own
 * @throws ConfigInvalid listing everything that is wrong, never a value of a secret
 */
export function loadConfig (environment: Environment = processEnvironment(), checks = crossChecks): LoadedConfig {
  const problems: string[] = []
  const warnings: string[] = []
  const faulty = new Set<string>()
  const data = gather(environment, faulty, problems, warnings)
  const given = new Set(Object.keys(data))

  const env = validated(data, faulty, problems)
  problems.push(...checks(env, given, faulty))
  if (problems.length > 0) throw oneLine(new ConfigInvalid(problems.length === 1 ? '1 setting is' : `${problems.length} settings are`, problems.map((problem) => `\n  - ${problem}`).join('')))

  const config = {
    ...env,
    AUTH_MODE: env.AUTH_MODE ?? (env.API_KEY_ENABLED !== false && env.API_KEY !== undefined ? 'api-key' : 'none'),
    PORTCULLIS_SECRET: env.PORTCULLIS_SECRET ?? randomBytes(32).toString('hex')
  } satisfies Config
  return { config, given, warnings }
}

function processEnvironment (): Environment {
  if (statSync('.env', { throwIfNoEntry: false })?.isFile() !== true) return process.env
  const set = new Set(Object.entries(process.env).filter(([, value]) => value !== '').map(([name]) => name.toUpperCase()))
  const fromFile = Object.entries(parseEnv(readFileSync('.env', 'utf8').replace(/^\uFEFF/, ''))).filter(([name]) => !set.has(name.toUpperCase()))
  return { ...process.env, ...Object.fromEntries(fromFile) }
}

/** Finds each variable under its name in any case or in the file that NAME_FILE points to; empty means unset. */
function gather (environment: Environment, faulty: Set<string>, problems: string[], warnings: string[]): Record<string, string> {
  const byName = new Map<string, string>()
  for (const [name, value] of Object.entries(environment)) {
    const upper = name.toUpperCase()
    if (value === undefined || value === '' || (name !== upper && environment[upper])) continue
    byName.set(upper, value)
  }
  for (const name of [...reserved, ...reserved.map((name) => `${name}_FILE`)]) {
    if (byName.has(name)) problems.push(`${name} is set, but this version has no part that reads it; unset it`)
  }

  const data: Record<string, string> = {}
  for (const [name, schema] of variables) {
    const before = problems.length
    const value = valueOf(name, byName, problems, warnings)
    if (problems.length > before) faulty.add(name)
    if (value === undefined) continue
    const lower = value.toLowerCase()
    if (schema.type === 'boolean') data[name] = truth[lower] ?? value
    else if (schema.enum !== undefined) data[name] = name === 'LOG_LEVEL' ? pythonLevels[lower] ?? lower : lower
    else data[name] = schema.type === 'integer' && !Number.isFinite(Number(value)) ? 'no number' : value // the validator would take Infinity
  }
  return data
}

function valueOf (name: EnvName, byName: Map<string, string>, problems: string[], warnings: string[]): string | undefined {
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

/** What of the data is valid, defaults filled in; the rest is named in `faulty` and `problems`. */
function validated (data: Record<string, string>, faulty: Set<string>, problems: string[]): Env {
  try {
    return validate<Env>({ schema: structuredClone(envSchema), data: { ...data }, env: false, ajv: { customOptions: ownKeywords } })
  } catch (error) {
    const { errors } = error as { errors?: Array<{ instancePath: string }> }
    if (errors === undefined) throw error
    for (const { instancePath } of errors) faulty.add(instancePath.slice(1))
    for (const [name, { errorMessage }] of variables) {
      if (faulty.has(name)) problems.push(`${name} ${errorMessage ?? 'is not valid'}`)
    }
    return validated(Object.fromEntries(Object.entries(data).filter(([name]) => !faulty.has(name))), faulty, [])
  }
}

/** Teaches the validator the keywords that config/env.ts adds to JSON Schema. */
export function ownKeywords (ajv: Ajv): Ajv {
  return ajv.addKeyword('x-secret').addKeyword('errorMessage')
}
