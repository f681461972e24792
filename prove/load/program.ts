import Fastify from 'fastify'
import fp from 'fastify-plugin'
import { Type } from 'typebox'
import { serve } from '../../bench/programs/serve.ts'
import app from '../../src/app.ts'
import { sql } from '../../src/sql.ts'
import { serverOptions } from '../../src/server-options.ts'

/** The server as it ships, with a tool that keeps a database connection busy for as long as it is told. */
serve(async ({ env }: { env: Record<string, string> }) => {
  const fastify = Fastify(serverOptions)
  await fastify.register(fp(app), { env })
  fastify.tools.add({
    name: 'hold',
    description: 'Holds a connection.',
    effect: 'read',
    input: Type.Object({ ms: Type.Integer({ minimum: 0, maximum: 1000 }) }),
    output: Type.Object({ held: Type.Integer() }),
    handler: async ({ ms }, { db }) => {
      await db.query(sql`select pg_sleep(${ms}::float8 / 1000)`)
      return { held: ms }
    }
  })
  return fastify
})
