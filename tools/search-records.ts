import type { FastifyPluginAsync } from 'fastify'
import { Type, type Static } from 'typebox'
import { Nullable } from '../src/mcp/output.ts'
import { and, column, containing, isoTime, pageWithTotal, sql } from '../src/sql.ts'

const defaultLimit = 20
const maxLimit = 100
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

const searchRecords: FastifyPluginAsync = async (fastify) => {
  fastify.tools.add({
    name: 'search_records',
    title: 'Search records',
    description: 'Finds research records whose name or description contains the query, in any case, newest first. Narrow it with filters; page with limit and offset. For counts per status, type or category use get_statistics.',
    effect: 'read',
    input: Type.Object({
      query: Type.String({ maxLength: 1000, description: 'Text to find anywhere in name or description; an empty text finds every record' }),
      limit: Type.Optional(Type.Integer({ default: defaultLimit, minimum: 1, description: `Rows to return; more than ${maxLimit} counts as ${maxLimit}` })),
      offset: Type.Optional(Type.Integer({ default: 0, minimum: 0, description: 'Rows to skip' })),
      filters: Type.Optional(Type.Object({ status: FilterSchema, type: FilterSchema, category: FilterSchema }, { description: 'Only records with exactly these values', errorMessage: badFilter }))
    }),
    output: Type.Object({
      results: Type.Array(RowSchema),
      total: Type.Integer({ description: 'How many records match in all' }),
      limit: Type.Integer(),
      offset: Type.Integer(),
      query: Type.String()
    }),
    async handler ({ query, limit = defaultLimit, offset = 0, filters = {} }, { db }) {
      const pattern = containing(query)
      const conditions = [sql`(name ilike ${pattern} or description ilike ${pattern})`]
      for (const name of filterColumns) {
        if (filters[name] !== undefined) conditions.push(sql`${column(name, filterColumns)} = ${filters[name]}`)
      }
      const rows = await db.query<Omit<Row, 'id'> & { id: string | null, total: number }>(pageWithTotal({
        columns: sql`id, name, description, status, type, category, ${isoTime(sql`created_at`)} as created_at`,
        from: sql`records`,
        where: and(conditions),
        orderBy: sql`records.created_at desc, records.id desc`,
        limit: Math.min(limit, maxLimit),
        offset
      }))
      const results = rows.filter((row): row is Row & { total: number } => row.id !== null)
      return { results, total: rows[0]?.total ?? 0, limit: Math.min(limit, maxLimit), offset, query }
    }
  })
}

export default searchRecords
