import type { FastifyPluginAsync } from 'fastify'
import { Type } from 'typebox'
import { Nullable } from '../src/mcp/output.ts'
import { column, sql } from '../src/sql.ts'

const groupColumns = ['category', 'status', 'type'] as const

const getStatistics: FastifyPluginAsync = async (fastify) => {
  fastify.tools.add({
    name: 'get_statistics',
    title: 'Count records by group',
    description: 'Counts all records per status, type or category, largest group first. To see the records themselves use search_records.',
    effect: 'read',
    input: Type.Object({
      group_by: Type.Optional(Type.Enum([...groupColumns], {
        default: 'status',
        description: 'What to count by',
        errorMessage: `Invalid group_by field. group_by is a string; allowed: ${groupColumns.join(', ')}`
      }))
    }),
    output: Type.Object({
      group_by: Type.String(),
      total: Type.Integer({ description: 'All records' }),
      breakdown: Type.Array(Type.Object({
        label: Nullable(Type.String({ description: 'null: records without a value' })),
        count: Type.Integer()
      }))
    }),
    async handler ({ group_by: groupBy = 'status' }, { db }) {
      const group = column(groupBy, groupColumns)
      const breakdown = await db.query<{ label: string | null, count: number }>(sql`
        select ${group} as label, count(*)::int as count from records group by 1 order by 2 desc, 1`)
      return { group_by: groupBy, total: breakdown.reduce<number>((sum, { count }) => sum + count, 0), breakdown }
    }
  })
}

export default getStatistics
