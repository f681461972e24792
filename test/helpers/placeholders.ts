import Fastify from 'fastify'
import { Type } from 'typebox'
import { readVariables, type Environment, type Variable } from '../../config/variables.ts'
import noDatabase from '../../plugins/no-database.ts'
import app from '../../src/app.ts'
import type { DeclaredSetting } from '../../src/settings.ts'

const databaseScheme = 'postgres://'
let declared: Promise<readonly DeclaredSetting[]> | undefined

/**
 * A value for every setting that a tool or plugin requires and has no default for: a test of the whole server is not
 * about them, and must hold whatever the tools of a fork ask for. One that is a database has to answer at boot, so
 * that `database` makes it.
 */
export async function placeholders (database: () => Promise<string>): Promise<Record<string, string>> {
  declared ??= declaredSettings()
  const values: Record<string, string> = {}
  for (const { name, variable, isRequired } of await declared) {
    if (isRequired) values[name] = placeholderOf(name, variable) ?? await database()
  }
  return values
}

async function declaredSettings (): Promise<readonly DeclaredSetting[]> {
  const fastify = Fastify()
  await app(fastify, { env: { LOG_LEVEL: 'silent' }, database: noDatabase }) // not fp(app), which marks the function itself for good
  const settings = fastify.settings.declared()
  await fastify.close()
  return settings
}

/** The first value that the schema takes; undefined for the URL of a database, which has to answer. */
export function placeholderOf (name: string, variable: Variable): string | undefined {
  const { enum: options = [], minimum = 1, maximum = minimum, minLength = 1, examples = [] } = variable as Variable & { examples?: unknown[] }
  const texts = ['https://placeholder.example/', 'placeholder', 'a', '0'].map((text) => text.padEnd(minLength, text.at(-1)))
  const candidates = [...examples, ...texts, ...options, minimum, maximum, true, databaseScheme].map(String)
  const value = candidates.find((candidate) => accepts(name, variable, { [name]: candidate }))
  if (value === undefined) throw new Error(`no placeholder fits setting ${name}; add one to its schema: examples: ['...']`)
  return value === databaseScheme ? undefined : value
}

function accepts (name: string, variable: Variable, environment: Environment): boolean {
  return readVariables(Type.Object({ [name]: variable }), environment).problems.length === 0
}
