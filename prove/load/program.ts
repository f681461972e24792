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
  fastify.tools.add({
    name: 'whoami',
    description: 'Tells who asks, by what the handler and the database were given.',
    effect: 'read',
    input: Type.Object({ canary: Type.String(), ms: Type.Integer({ minimum: 0, maximum: 100 }) }),
    output: Type.Object({ principal: Type.String(), tenant: Type.String(), canary: Type.String(), fromDatabase: Type.String() }),
    handler: async ({ canary, ms }, { db, principal, progress }) => {
      progress(1, 2, canary)
      const fromDatabase = ms === 0 ? await db.value<string>(sql`select ${canary}::text`) : await db.value<string>(sql`select ${canary}::text from pg_sleep(${ms}::float8 / 1000)`)
      progress(2, 2, canary)
      return { principal: principal.id, tenant: principal.tenant ?? '', canary, fromDatabase: fromDatabase ?? '' }
    }
  })
  return fastify
})
