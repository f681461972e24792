import type { FastifyPluginAsync } from 'fastify'
import { Type } from 'typebox'
import type { Db } from '../src/db/lease.ts'
import { Nullable } from '../src/mcp/output.ts'
import { ShortCache } from '../src/short-cache.ts'
import { and, column, replanned, sql } from '../src/sql.ts'

const groupColumns = ['category', 'status', 'type'] as const
const badFilter = `Invalid filter column. filters is an object of strings; allowed: ${groupColumns.join(', ')}`
const FilterSchema = Type.Optional(Type.String({ description: 'Exact value', errorMessage: badFilter }))

type Filters = Partial<Record<typeof groupColumns[number], string>>
interface Group { label: string | null, count: number }

const getStatistics: FastifyPluginAsync = async (fastify) => {
  const recent = new ShortCache<Group[]>({ ttlMs: 2_000, capacity: 1_000 })

  async function groups (groupBy: string, filters: Filters, db: Db): Promise<Group[]> {
    const conditions = groupColumns.filter((name) => filters[name] !== undefined).map((name) => sql`${column(name, groupColumns)} = ${filters[name]}`)
    return await db.query<Group>(replanned(sql`
      select ${column(groupBy, groupColumns)} as label, count(*)::int as count from records where ${and(conditions)} group by 1 order by 2 desc, 1`))
  }

  fastify.tools.add({
    name: 'get_statistics',
    title: 'Count records by group',
    description: 'Counts records per status, type or category, largest group first; filters count some of them only. To see the records themselves use search_records.',
    effect: 'read',
    input: Type.Object({
      group_by: Type.Optional(Type.Enum([...groupColumns], {
        default: 'status',
        description: 'What to count by',
        errorMessage: `Invalid group_by field. group_by is a string; allowed: ${groupColumns.join(', ')}`
      })),
      filters: Type.Optional(Type.Object({ status: FilterSchema, type: FilterSchema, category: FilterSchema }, { description: 'Only records with exactly these values', errorMessage: badFilter }))
    }),
    output: Type.Object({
      group_by: Type.String(),
      total: Type.Integer({ description: 'Records in all groups' }),
      breakdown: Type.Array(Type.Object({
        label: Nullable(Type.String({ description: 'null: records without a value' })),
        count: Type.Integer()
      }))
    }),
    async handler ({ group_by: groupBy = 'status', filters = {} }, { db, principal }) {
      const isShared = Object.keys(filters).length === 0
      const key = JSON.stringify([groupBy, principal.tenant ?? null]) // tenants may see different rows
      const compute = async (): Promise<Group[]> => await groups(groupBy, filters, db)
      const breakdown = isShared ? await recent.get(key, compute) : await compute()
      return { group_by: groupBy, total: breakdown.reduce<number>((sum, { count }) => sum + count, 0), breakdown }
    }
  })
}

export default getStatistics
