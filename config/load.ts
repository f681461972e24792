import { randomBytes } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { parseEnv } from 'node:util'
import { envSchema, reserved, type Env } from './env.ts'
import { crossChecks, hasKeys } from './rules.ts'
import { byUpperName, readVariables, type Environment } from './variables.ts'
import { ConfigInvalid, oneLine } from '../src/errors.ts'

/** Longer than a load balancer that asks every other second and wants two refusals needs. */
const productionDelayMs = 5_000

export type Config = Env & Required<Pick<Env, 'AUTH_MODE' | 'PORTCULLIS_SECRET' | 'SHUTDOWN_DELAY_MS'>>

export interface LoadedConfig {
  config: Config
  /** Names of the variables that somebody set. */
  given: ReadonlySet<string>
  warnings: string[]
}

/**
 * Reads, validates and completes the configuration. The preload, fastify.config.cjs, the command line and
 * plugins/env.ts all call it, so they can't disagree.
 * @param environment variables to read; default: `.env` of the working directory under `process.env`
 * @param checks rules between variables; a command that needs few of them brings its own
 * @throws ConfigInvalid listing everything that is wrong, never a value of a secret
 */
export function loadConfig (environment: Environment = processEnvironment(), checks = crossChecks): LoadedConfig {
  const { values: env, given, faulty, problems, warnings } = readVariables(envSchema, environment)
  refuse([...reservedIn(environment), ...problems, ...checks(env, given, faulty)])

  const config = {
    ...env,
    AUTH_MODE: env.AUTH_MODE ?? (env.API_KEY_ENABLED !== false && hasKeys(env) ? 'api-key' : 'none'),
    PORTCULLIS_SECRET: env.PORTCULLIS_SECRET ?? randomBytes(32).toString('hex'),
    SHUTDOWN_DELAY_MS: env.SHUTDOWN_DELAY_MS ?? (env.PORTCULLIS_ENV === 'production' ? Math.min(productionDelayMs, env.SHUTDOWN_GRACE_MS / 2) : 0)
  } satisfies Config
  return { config, given, warnings }
}

/**
 * Stops the boot when there are problems, with all of them in one message.
 * @throws ConfigInvalid
 */
export function refuse (problems: string[]): void {
  if (problems.length === 0) return
  throw oneLine(new ConfigInvalid(problems.length === 1 ? '1 setting is' : `${problems.length} settings are`, problems.map((problem) => `\n  - ${problem}`).join('')))
}

/** The environment before a library was given variables of its own. */
let asFound: Environment | undefined

/** The process's own variables over those of `.env` in the working directory. */
export function processEnvironment (): Environment {
  if (asFound !== undefined) return asFound
  if (statSync('.env', { throwIfNoEntry: false })?.isFile() !== true) return { ...process.env }
  const set = new Set(Object.entries(process.env).filter(([, value]) => value !== '').map(([name]) => name.toUpperCase()))
  const fromFile = Object.entries(parseEnv(readFileSync('.env', 'utf8').replace(/^\uFEFF/, ''))).filter(([name]) => !set.has(name.toUpperCase()))
  return { ...process.env, ...Object.fromEntries(fromFile) }
}

/** For a library that reads the process's own variables; what is configured is still what was found. */
export function setEnvironment (variables: Record<string, string>): void {
  asFound ??= processEnvironment()
  Object.assign(process.env, variables)
}

function reservedIn (environment: Environment): string[] {
  const byName = byUpperName(environment)
  return reserved.flatMap((name) => [name, `${name}_FILE`]).filter((name) => byName.has(name))
    .map((name) => `${name} is set, but this version has no part that reads it; unset it`)
}
