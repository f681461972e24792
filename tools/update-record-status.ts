import type { FastifyPluginAsync } from 'fastify'
import { Type, type Static } from 'typebox'
import { ToolError } from '../src/mcp/tool.ts'
import { isoTime, sql } from '../src/sql.ts'

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i
const statuses = ['active', 'archived', 'inactive'] as const

const ChangeSchema = Type.Object({
  id: Type.String(),
  status: Type.String(),
  previous_status: Type.String(),
  updated_at: Type.String({ description: 'ISO 8601' })
})

const updateRecordStatus: FastifyPluginAsync = async (fastify) => {
  fastify.tools.add({
    name: 'update_record_status',
    title: 'Change the status of a record',
    description: 'Sets the status of one record and returns what it was before. Take the id from search_records. Use it only when the user asked for the change.',
    effect: 'write',
    annotations: { idempotentHint: true },
    input: Type.Object({
      record_id: Type.String({ maxLength: 1000, description: 'The id of the record, a UUID' }),
      status: Type.Enum([...statuses], { description: 'The new status', errorMessage: `Invalid status. status is a string; allowed: ${statuses.join(', ')}` })
    }),
    output: ChangeSchema,
    async handler ({ record_id: id, status }, { db }) {
      const change = uuid.test(id)
        ? await db.one<Static<typeof ChangeSchema>>(sql`
            with before as (select id, status from records where id = ${id} for update)
            update records set status = ${status} from before where records.id = before.id
            returning records.id, records.status, before.status as previous_status, ${isoTime(sql`records.updated_at`)} as updated_at`)
        : undefined
      if (change === undefined) throw new ToolError('not_found', `Record '${id}' not found`, { record_id: id })
      return change
    }
  })
}

export default updateRecordStatus
