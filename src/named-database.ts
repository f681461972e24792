import { Type, type TObject } from 'typebox'
import { Secret } from './settings.ts'

const databaseName = /^[a-z][a-z0-9_]{0,30}$/

/** What is wrong with the name of a tool's database, if anything. */
export function databaseNameFault (name: unknown): string | undefined {
  return typeof name === 'string' && databaseName.test(name) ? undefined : 'its database must be a name such as warehouse ([a-z][a-z0-9_]*, at most 31 characters); the URL comes from WAREHOUSE_DATABASE_URL'
}

/** The variable that holds the URL of a named database: `warehouse` is at WAREHOUSE_DATABASE_URL. */
export function databaseVariable (name: string): string {
  return `${name.toUpperCase()}_DATABASE_URL`
}

/** The setting that a tool with a named database brings. */
export function databaseSettings (name: string): TObject {
  return Type.Object({
    [databaseVariable(name)]: Secret({
      pattern: '^postgres(ql)?://',
      description: `PostgreSQL "${name}", read by tools that name it; a pool of its own with the sizes of DB_POOL_MIN and DB_POOL_MAX`,
      errorMessage: 'must start with postgres:// or postgresql://'
    })
  })
}
