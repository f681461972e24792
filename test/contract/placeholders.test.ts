import t from 'tap'
import { Type, type TSchema } from 'typebox'
import { readVariables, type Variable } from '../../config/variables.ts'
import { databaseSettings } from '../../src/named-database.ts'
import { Secret } from '../../src/settings.ts'
import { placeholderOf } from '../helpers/placeholders.ts'

const description = 'x'

t.test('whatever a tool requires, there is a placeholder that the boot takes', async (t) => {
  const schemas: TSchema[] = [
    Secret({ description }), Secret({ description, minLength: 64 }), Secret({ description, pattern: '^[0-9a-f]+$', minLength: 32 }),
    Type.String({ description, maxLength: 5 }), Type.String({ description, pattern: '^https://' }), Type.String({ description, pattern: '^\\d+$' }),
    Type.String({ description, pattern: '^acme-\\d$', examples: ['acme-7'] }),
    Type.Integer({ description }), Type.Integer({ description, minimum: 10 }), Type.Number({ description, maximum: -1 }),
    Type.Boolean({ description }), Type.Enum(['metric', 'imperial'], { description })
  ]
  for (const schema of schemas) {
    const value = placeholderOf('X', schema as Variable)
    t.same(readVariables(Type.Object({ X: schema }), { X: value }).problems, [], JSON.stringify(schema))
    t.not(value, undefined)
  }
})

t.test('the URL of a database is the test\'s to give', async (t) => {
  const [[name, variable]] = Object.entries(databaseSettings('warehouse').properties) as [[string, Variable]]
  t.equal(placeholderOf(name, variable), undefined)
})

t.test('a schema that none fits is named, with what to do', async (t) => {
  t.throws(() => placeholderOf('ACME_ID', Type.String({ description, pattern: '^acme-\\d$' }) as Variable), { message: 'no placeholder fits setting ACME_ID; add one to its schema: examples: [\'...\']' })
})
