import Fastify from 'fastify'
import pg from 'pg'
import { Type } from 'typebox'
import { toolsCallReply, toolsCallResult, type ToolsCall } from './reply.ts'
import { serve } from './serve.ts'

const RecordSchema = Type.Object({
  id: Type.String(),
  name: Type.String(),
  description: Type.String(),
  status: Type.String(),
  type: Type.String(),
  category: Type.String(),
  metadata: Type.Object({}, { additionalProperties: true }),
  created_at: Type.String(),
  updated_at: Type.String()
})

// The statement of tools/get-record-detail.ts.
const select = `
  select id, name, description, status, type, category,
    case when metadata is null or jsonb_typeof(metadata) = 'object' then metadata else jsonb_build_object('value', metadata) end as metadata,
    (to_jsonb(created_at) #>> '{}') as created_at, (to_jsonb(updated_at) #>> '{}') as updated_at
  from records where id = $1`

/** The baseline of the lookup: the same statement and answer, straight from the driver's pool. */
serve(async ({ databaseUrl }: { databaseUrl: string }) => {
  const pool = new pg.Pool({ connectionString: databaseUrl, min: 5, max: 20 })
  const app = Fastify()
  app.post('/mcp', { schema: { response: toolsCallReply(RecordSchema) } }, async ({ body }) => {
    const { id, params } = body as ToolsCall<{ record_id: string }>
    const { rows: [record] } = await pool.query(select, [params.arguments.record_id])
    return toolsCallResult(id, record)
  })
  return app
})
