import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { parseAllDocuments } from 'yaml'

// k8s-schemas.mjs OUT FOLDER...: JSON schemas for kubeconform in which every object is closed, so that an unknown field is
// an error. FOLDER holds the *_openapi.json of Kubernetes (first), or CustomResourceDefinitions.

const objectMeta = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta'
const combinators = ['allOf', 'anyOf', 'oneOf']
const notForValidation = new Set(['description', 'default', 'example', 'externalDocs', 'title', 'nullable', 'exclusiveMinimum', 'exclusiveMaximum'])
const mapValues = (object, change) => Object.fromEntries(Object.entries(object).map(([key, value]) => [key, change(value)]))

/** OpenAPI 3.0 to JSON schema. In combinators objects stay open: `properties` there only says more about fields. */
function convert (schema, isClosed = true) {
  const result = {}
  for (const [key, value] of Object.entries(schema)) {
    if (notForValidation.has(key) || key.startsWith('x-')) continue
    if (key === '$ref') result.$ref = value.replace('#/components/schemas/', '#/definitions/')
    else if (key === 'properties') result.properties = mapValues(value, (property) => convert(property, isClosed))
    else if (combinators.includes(key)) result[key] = value.map((option) => convert(option, false))
    else if (key === 'not') result.not = convert(value, false)
    else if (['items', 'additionalProperties'].includes(key) && typeof value === 'object') result[key] = convert(value, isClosed)
    else result[key] = value
  }
  return closeObjects(schema, addTypes(schema, result), isClosed)
}

function addTypes (schema, result) {
  for (const [flag, bound] of [['exclusiveMinimum', 'minimum'], ['exclusiveMaximum', 'maximum']]) { // booleans in OpenAPI 3.0
    if (schema[flag] !== true) continue
    result[flag] = schema[bound]
    delete result[bound]
  }
  if (schema['x-kubernetes-list-type'] === 'set') result.uniqueItems = true
  if (schema['x-kubernetes-int-or-string'] === true && !combinators.some((name) => schema[name])) {
    delete result.type
    result.anyOf = [{ type: 'integer' }, { type: 'string' }]
  }
  if (schema.nullable === true && typeof result.type === 'string') result.type = [result.type, 'null']
  return result
}

function closeObjects (schema, result, isClosed) {
  if (schema['x-kubernetes-embedded-resource'] === true && result.properties) result.properties = { apiVersion: {}, kind: {}, metadata: {}, ...result.properties }
  const isOpen = schema['x-kubernetes-preserve-unknown-fields'] === true
  if (isClosed && result.properties && result.additionalProperties === undefined && !isOpen) result.additionalProperties = false
  return result
}

/** The definitions that a schema refers to, and those that they do. */
function used (schema, definitions, found = {}) {
  const name = typeof schema.$ref === 'string' ? schema.$ref.replace('#/definitions/', '') : undefined // a property may be called so
  if (name !== undefined && found[name] === undefined) used(found[name] = definitions[name], definitions, found)
  for (const value of Object.values(schema)) if (value !== null && typeof value === 'object') used(value, definitions, found)
  return found
}

function write (out, { group, version, kind }, schema, definitions) {
  const properties = { ...schema.properties, apiVersion: { enum: [group === '' ? version : `${group}/${version}`] }, kind: { enum: [kind] } }
  const required = [...new Set([...schema.required ?? [], 'apiVersion', 'kind', ...kind.endsWith('List') ? [] : ['metadata']])]
  const whole = { $schema: 'http://json-schema.org/draft-07/schema#', ...schema, type: 'object', properties, required }
  const file = join(out, group === '' ? 'v1' : group, `${kind.toLowerCase()}_${version}.json`) // as kubeconform asks for it
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, JSON.stringify({ ...whole, definitions: used(whole, definitions) }))
}

const [out, ...folders] = process.argv.slice(2)
const definitions = {}
let kinds = 0
for (const folder of folders) {
  for (const name of readdirSync(folder).sort()) {
    const text = () => readFileSync(join(folder, name), 'utf8')
    if (name.endsWith('_openapi.json')) fromOpenApi(name, JSON.parse(text()).components?.schemas ?? {})
    else if (/\.ya?ml$/.test(name)) fromDefinitions(parseAllDocuments(text()).map((document) => document.toJS({ maxAliasCount: -1 })))
  }
}
console.log(`${kinds} kinds in ${out}`)

function fromOpenApi (name, schemas) {
  const converted = mapValues(schemas, (schema) => convert(schema))
  Object.assign(definitions, converted)
  const [, group = '', version] = /^(?:api|apis__(.+?))__([^_]+)_openapi\.json$/.exec(name) ?? []
  for (const [key, schema] of Object.entries(schemas)) {
    const own = (schema['x-kubernetes-group-version-kind'] ?? []).filter((id) => id.group === group && id.version === version)
    if (own.length !== 1 || schema.properties?.kind === undefined) continue
    write(out, own[0], converted[key], converted)
    kinds++
  }
}

function fromDefinitions (documents) {
  for (const { spec } of documents.filter((document) => document?.kind === 'CustomResourceDefinition')) {
    for (const { name: version, schema } of spec.versions.filter(({ served }) => served)) {
      const converted = convert(schema.openAPIV3Schema)
      converted.properties = { ...converted.properties, metadata: { $ref: `#/definitions/${objectMeta}` } }
      write(out, { group: spec.group, version, kind: spec.names.kind }, converted, definitions)
      kinds++
    }
  }
}
