import type { TObject, TSchema } from 'typebox'
import { Compile } from 'typebox/compile'

export type Checked = { ok: true, args: Record<string, unknown> } | { ok: false, message: string }
type Shape = Record<string, unknown> & { anyOf?: Shape[], oneOf?: Shape[], properties?: Record<string, Shape>, items?: Shape, errorMessage?: string, type?: string | string[], enum?: unknown[] }
type Fault = ReturnType<ReturnType<typeof Compile>['Errors']>[number]

const maxFaults = 3

/**
 * Compiles a tool's input schema into one function: null means omitted, defaults are filled in, everything else
 * that is not the declared type is refused with a sentence a model can act on. Nothing is coerced.
 */
export function compileInput (input: TObject): (args: unknown) => Checked {
  const schema = closed(input as unknown as Shape)
  const validator = Compile(schema as unknown as TSchema)

  return (given) => {
    if (given !== undefined && given !== null && (typeof given !== 'object' || Array.isArray(given))) {
      return { ok: false, message: `arguments must be an object, not ${nameOf(given)}` }
    }
    const args = completed(given ?? {}, schema) as Record<string, unknown>
    if (!validator.Check(args)) return { ok: false, message: explain(validator.Errors(args), schema, args) }
    const unsafe = unsafeInteger(args, '')
    if (unsafe !== undefined) return { ok: false, message: `${unsafe} is a number that can't be kept exactly; send whole numbers within ±(2^53 - 1)` }
    return { ok: true, args }
  }
}

/** Unknown keys are refused unless an object says itself what else it takes. */
export function closed (schema: Shape): Shape {
  const copy: Shape = { ...schema }
  for (const key of ['properties', 'patternProperties', '$defs'] as const) {
    if (schema[key] !== undefined) copy[key] = Object.fromEntries(Object.entries(schema[key] as Record<string, Shape>).map(([name, inner]) => [name, closed(inner)]))
  }
  if (schema.items !== undefined && !Array.isArray(schema.items)) copy.items = closed(schema.items)
  for (const key of ['anyOf', 'oneOf'] as const) {
    if (schema[key] !== undefined) copy[key] = schema[key].map(closedAlternative)
  }
  if (typeof schema.additionalProperties === 'object') copy.additionalProperties = closed(schema.additionalProperties as Shape)
  if (schema.type === 'object' && schema.additionalProperties === undefined && schema.patternProperties === undefined) copy.additionalProperties = false
  return copy
}

/** An alternative that only adds conditions (say, `required`) to its parent's properties stays open. */
function closedAlternative (schema: Shape): Shape {
  return schema.properties === undefined ? schema : closed(schema)
}

function acceptsNull (schema: Shape): boolean {
  if (schema.enum !== undefined) return schema.enum.includes(null)
  if (schema.const !== undefined) return schema.const === null
  const options = schema.anyOf ?? schema.oneOf
  if (options !== undefined) return options.some(acceptsNull)
  return schema.type === undefined || [schema.type].flat().includes('null')
}

/** A copy along the schema's own keys: null for what can't be null means omitted, and what is omitted gets its default. */
function completed (value: unknown, schema: Shape | undefined): unknown {
  if (typeof value !== 'object' || value === null || schema === undefined) return value
  if (Array.isArray(value)) return schema.items === undefined ? value : value.map((item) => completed(item, schema.items))
  const { properties = {} } = schema
  const given = Object.entries(value).flatMap(([key, item]) => {
    const property = Object.hasOwn(properties, key) ? properties[key] : undefined
    return item === null && property !== undefined && !acceptsNull(property) ? [] : [[key, completed(item, property)] as const]
  })
  const names = new Set(given.map(([key]) => key))
  const defaults = Object.entries(properties).flatMap(([key, property]) => property.default === undefined || names.has(key) ? [] : [[key, structuredClone(property.default)] as const])
  return Object.fromEntries([...given, ...defaults]) // defines keys, so that one named __proto__ stays a key
}

function unsafeInteger (value: unknown, path: string): string | undefined {
  if (typeof value === 'number') return Number.isInteger(value) && !Number.isSafeInteger(value) ? path : undefined
  if (typeof value !== 'object' || value === null) return undefined
  for (const [key, item] of Object.entries(value)) {
    const found = unsafeInteger(item, path === '' ? key : `${path}.${key}`)
    if (found !== undefined) return found
  }
  return undefined
}

/** The first few faults as sentences; the nearest `errorMessage` on the failing path replaces the generic one. */
function explain (faults: Fault[], schema: Shape, args: unknown): string {
  const sentences = faults.filter(({ keyword }) => keyword !== 'boolean').map((fault) => {
    const path = fault.instancePath.split('/').slice(1).map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    return nearestMessage(fault, path, schema) ?? describe(fault, path, schema, args)
  })
  return [...new Set(sentences)].slice(0, maxFaults).join('; ')
}

function nearestMessage (fault: Fault, path: string[], schema: Shape): string | undefined {
  const missing = fault.keyword === 'required' ? (fault.params as { requiredProperties: string[] }).requiredProperties.slice(0, 1) : []
  let node: Shape | undefined = schema
  let message = schema.errorMessage
  for (const part of [...path, ...missing]) {
    node = node === undefined ? undefined : child(node, part)
    message = node?.errorMessage ?? message
  }
  return message
}

function child (node: Shape, part: string): Shape | undefined {
  return node.properties !== undefined && Object.hasOwn(node.properties, part) ? node.properties[part] : node.items
}

function describe (fault: Fault, path: string[], schema: Shape, args: unknown): string {
  const field = path.join('.') || 'arguments'
  const node = path.reduce<Shape | undefined>((at, part) => at === undefined ? undefined : child(at, part), schema)
  switch (fault.keyword) {
    case 'required': return fault.params.requiredProperties.map((name) => `${[...path, name].join('.')} is required`).join('; ')
    case 'additionalProperties': {
      const allowed = Object.keys(node?.properties ?? {}).sort()
      const unknown = fault.params.additionalProperties.slice(0, maxFaults).map((name) => JSON.stringify(name.slice(0, 64))).join(', ')
      return `${field} has no ${unknown}; ${allowed.length === 0 ? 'it takes none' : `allowed: ${allowed.join(', ')}`}`
    }
    case 'type': return `${field} must be ${[fault.params.type].flat().map(withArticle).join(' or ')}, not ${nameOf(valueAt(args, path))}`
    case 'enum': return `${field} must be one of: ${fault.params.allowedValues.map((value) => JSON.stringify(value)).join(', ')}`
    default: return `${field} ${fault.message}`
  }
}

function valueAt (args: unknown, path: string[]): unknown {
  return path.reduce<unknown>((at, part) => (at as Record<string, unknown>)[part], args)
}

function withArticle (type: string): string {
  return type === 'null' ? 'null' : `${/^[aeiou]/.test(type) ? 'an' : 'a'} ${type}`
}

function nameOf (value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  return typeof value === 'number' && !Number.isInteger(value) ? 'a fraction' : withArticle(typeof value)
}
