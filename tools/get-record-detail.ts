import type { FastifyPluginAsync } from 'fastify'
import { Type, type Static } from 'typebox'
import { FreeJson, Nullable } from '../src/mcp/output.ts'
import { ToolError } from '../src/mcp/tool.ts'
import { isoTime, sql } from '../src/sql.ts'

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/** The column takes any JSON; the result is an object or null. */
const metadataObject = sql`case when metadata is null or jsonb_typeof(metadata) = 'object' then metadata else jsonb_build_object('value', metadata) end`

const RecordSchema = Type.Object({
  id: Type.String(),
  name: Type.String(),
  description: Nullable(Type.String()),
  status: Type.String(),
  type: Nullable(Type.String()),
  category: Nullable(Type.String()),
  metadata: FreeJson({ description: 'Whatever else is known of the record' }),
  created_at: Type.String({ description: 'ISO 8601' }),
  updated_at: Type.String({ description: 'ISO 8601' })
})

const getRecordDetail: FastifyPluginAsync = async (fastify) => {
  fastify.tools.add({
    name: 'get_record_detail',
    title: 'Get one record',
    description: 'Returns everything known about one record. Take the id from search_records.',
    effect: 'read',
    input: Type.Object({
      record_id: Type.String({ maxLength: 1000, description: 'The id of the record, a UUID' })
    }),
    output: RecordSchema,
    async handler ({ record_id: id }, { db }) {
      const record = uuid.test(id)
        ? await db.one<Static<typeof RecordSchema>>(sql`
            select id, name, description, status, type, category, ${metadataObject} as metadata, ${isoTime(sql`created_at`)} as created_at, ${isoTime(sql`updated_at`)} as updated_at
            from records where id = ${id}`)
        : undefined
      if (record === undefined) throw new ToolError('not_found', `Record '${id}' not found`, { record_id: id })
      return record
    }
  })
}

export default getRecordDetail
