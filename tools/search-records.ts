import type { FastifyPluginAsync } from 'fastify'
import { Type, type Static } from 'typebox'
import { Nullable } from '../src/mcp/output.ts'
import { ToolError } from '../src/mcp/tool.ts'
import { positionOf, rankedMatches, searchStatement, walkedUnindexed, type Found, type SearchedTable } from '../src/search/statement.ts'

const defaultLimit = 20
const maxLimit = 100
const maxOffset = 10_000
const filterColumns = ['category', 'status', 'type'] as const
const badFilter = `Invalid filter column. filters is an object of strings; allowed: ${filterColumns.join(', ')}`
const FilterSchema = Type.Optional(Type.String({ description: 'Exact value', errorMessage: badFilter }))

const RowSchema = Type.Object({
  id: Type.String(),
  name: Type.String(),
  description: Nullable(Type.String()),
  status: Type.String(),
  type: Nullable(Type.String()),
  category: Nullable(Type.String()),
  created_at: Type.String({ description: 'ISO 8601' })
})
type Row = Static<typeof RowSchema>

const records: SearchedTable = { name: 'records', text: ['name', 'description'], filters: filterColumns, columns: ['name', 'description', 'status', 'type', 'category'] }

const searchRecords: FastifyPluginAsync = async (fastify) => {
  fastify.tools.add({
    name: 'search_records',
    title: 'Search records',
    description: `Finds research records whose name or description contains the query, in any case, newest first. Narrow it with filters; for the next page send next_cursor back as cursor, with the same query, filters and order. Queries without three letters or digits in a row are looked for in the newest ${count(walkedUnindexed)} records only. For counts per status, type or category use get_statistics.`,
    effect: 'read',
    input: Type.Object({
      query: Type.String({ maxLength: 1000, description: 'Text to find anywhere in name or description; an empty text finds every record' }),
      limit: Type.Optional(Type.Integer({ default: defaultLimit, minimum: 1, description: `Rows to return; more than ${maxLimit} counts as ${maxLimit}` })),
      offset: Type.Optional(Type.Integer({ default: 0, minimum: 0, maximum: maxOffset, description: `Rows to skip; further than ${count(maxOffset)} only a cursor goes`, errorMessage: `offset must be a whole number from 0 to ${maxOffset}; go further with next_cursor` })),
      filters: Type.Optional(Type.Object({ status: FilterSchema, type: FilterSchema, category: FilterSchema }, { description: 'Only records with exactly these values', errorMessage: badFilter })),
      order: Type.Optional(Type.Enum(['newest', 'rank'], { default: 'newest', description: `newest: by created_at; rank: whole words and names first, among the newest matches, at most ${rankedMatches} of them` })),
      cursor: Type.Optional(Type.String({ maxLength: 1000, description: 'next_cursor of the page before; good for an hour' }))
    }),
    output: Type.Object({
      results: Type.Array(RowSchema),
      total: Type.Integer({ description: 'How many records match in all; at least, where total_is_exact is false' }),
      total_is_exact: Type.Optional(Type.Boolean({ description: 'Only there when it is false: too many match to count them' })),
      limit: Type.Integer(),
      offset: Type.Integer(),
      query: Type.String(),
      next_cursor: Type.Optional(Type.String({ description: 'Only there when there is more' }))
    }),
    async handler ({ query, limit: asked = defaultLimit, offset = 0, filters = {}, order = 'newest', cursor }, { db, cursors }) {
      if (cursor !== undefined && offset > 0) throw new ToolError('invalid_argument', 'Send cursor or offset, not both.')
      const limit = Math.min(asked, maxLimit)
      const bound = [query, order, ...filterColumns.map((name) => filters[name] ?? null)]
      const after = cursor === undefined ? undefined : cursors.open(cursor, bound)
      const rows = await db.query<Found & Omit<Row, 'id'>>(searchStatement(records, { query, filters, order, limit, offset, after }))
      const found = rows.filter((row): row is Found & Row => row.id !== null)
      const results = found.slice(0, limit)
      return {
        results,
        total: rows[0]?.total ?? 0,
        total_is_exact: rows[0]?.is_exact === false ? false : undefined,
        limit,
        offset,
        query,
        next_cursor: found.length > limit ? cursors.seal(positionOf(results.at(-1) as Found), bound) : undefined
      }
    }
  })
}

function count (amount: number): string {
  return amount.toLocaleString('en-US')
}

export default searchRecords
