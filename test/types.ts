import { Type, type TObject } from 'typebox'
import { ask } from '../src/mcp/ask.ts'
import { blocks } from '../src/mcp/blocks.ts'
import { createRegistry } from '../src/mcp/registry.ts'
import type { Db } from '../src/db/lease.ts'

// What a tool author's mistakes look like to the compiler. Checked by `npm run types`, never run.
const { add } = createRegistry()
const SearchIn = Type.Object({ query: Type.String(), limit: Type.Optional(Type.Integer()) })
const SearchOut = Type.Object({ total: Type.Integer(), query: Type.String() })
const base = { name: 'x', description: 'x', effect: 'read' as const, input: SearchIn, output: SearchOut }

add({ ...base, handler: async ({ query, limit }) => ({ total: limit ?? 1, query }) })
// @ts-expect-error wrong result
add({ ...base, handler: async ({ query }) => ({ total: 'x', query }) })
// @ts-expect-error missing keys
add({ ...base, handler: async ({ query }) => ({ query }) })
// @ts-expect-error no such argument
add({ ...base, handler: async ({ queri }) => ({ total: 1, query: queri }) })
add({ ...base, output: 'blocks', handler: async ({ query }) => blocks({ type: 'text', text: query }) })
// @ts-expect-error a blocks tool returns blocks
add({ ...base, output: 'blocks', handler: async ({ query }) => ({ query }) })
// @ts-expect-error an object tool returns its object
add({ ...base, handler: async ({ query }) => blocks({ type: 'text', text: query }) })
add({ ...base, handler: async ({ query }) => query === '' ? ask({ name: { method: 'elicitation/create' } }) : { total: 1, query } })
add({ ...base, output: Type.Object({ s: Type.Enum(['active', 'archived']) }), handler: async () => ({ s: 'active' }) })
add({ ...base, config: Type.Object({ ACME_MAX: Type.Integer() }), handler: async ({ query }, { config }) => ({ total: config.ACME_MAX, query }) })
add<TObject, TObject, TObject>({ ...base, handler: async () => ({}) })

declare const db: Db
// @ts-expect-error a statement is made by the sql tag alone
await db.query('select 1')
// @ts-expect-error
await db.query({ text: 'select 1', values: [] })
