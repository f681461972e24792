import fastJsonStringify, { type AnySchema } from 'fast-json-stringify'
import { Type, type Static, type TObject, type TSchema, type TUnsafe } from 'typebox'
import { Compile } from 'typebox/compile'
import type { Json } from './tool.ts'

type Shape = Record<string, unknown>

const freeJsonKeyword = 'x-portcullis-free-json'
const types = ['string', 'number', 'integer', 'boolean', 'null', 'object', 'array']

/** A string, number or other simple type that may be null. */
export function Nullable<T extends TSchema> (schema: T): TUnsafe<Static<T> | null> {
  return Type.Unsafe({ ...schema, type: [(schema as unknown as { type: string }).type, 'null'] })
}

/** A JSON object whose keys nobody declared, such as a jsonb column. The one way to let undeclared fields out. */
export function FreeJson (options: { description?: string } = {}): TUnsafe<Record<string, Json> | null> {
  return Type.Unsafe({ ...options, type: ['object', 'null'], additionalProperties: true, [freeJsonKeyword]: true })
}

/**
 * Compiles a tool's output schema: `accepts` says whether a value has the declared fields, `serialize` writes those
 * and drops the rest.
 * @throws Error when the schema has a leaf without a type, through which undeclared fields would leave
 */
export function compileOutput (output: TObject): { accepts: (value: unknown) => boolean, faults: (value: unknown) => string[], serialize: (value: unknown) => string } {
  const schema = open(output as unknown as Shape, '') as unknown as TSchema
  const validator = Compile(schema)
  const serialize = fastJsonStringify(schema as unknown as AnySchema, { ajv: { strictTypes: false, keywords: [freeJsonKeyword] } as object })
  return {
    accepts: (value) => validator.Check(value),
    faults: (value) => validator.Errors(value).map(({ instancePath, message }) => `${instancePath} ${message}`),
    serialize
  }
}

/** The schema for checking: undeclared fields are dropped on the way out, so they are no fault. */
function open (schema: Shape, path: string): Shape {
  const copy: Shape = { ...schema }
  delete copy.additionalProperties
  if (schema[freeJsonKeyword] === true) return schema
  for (const key of ['anyOf', 'oneOf'] as const) {
    if (Array.isArray(schema[key])) copy[key] = schema[key].map((option: Shape, index) => open(option, `${path}/${key}/${index}`))
  }
  if (copy.anyOf !== undefined || copy.oneOf !== undefined || schema.enum !== undefined || schema.const !== undefined) return copy
  const declared = [schema.type].flat() as string[]
  if (!declared.every((type) => types.includes(type))) throw new Error(`output${path} has no type; declare one, or use FreeJson() for an object without declared keys`)
  if (declared.includes('object')) {
    if (schema.properties === undefined || schema.patternProperties !== undefined) throw new Error(`output${path} is an object without declared properties; declare them, or use FreeJson()`)
    copy.properties = Object.fromEntries(Object.entries(schema.properties as Record<string, Shape>).map(([name, property]) => [name, open(property, `${path}/${name}`)]))
  }
  if (declared.includes('array')) {
    if (schema.items === undefined) throw new Error(`output${path} is an array without items; declare what it holds`)
    copy.items = open(schema.items as Shape, `${path}/items`)
  }
  return copy
}
