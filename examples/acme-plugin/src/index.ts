import { readFile } from 'node:fs/promises'
import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import type {} from 'portcullis' // the types of fastify.tools and fastify.authenticate; nothing at run time
import { Type } from 'typebox'

export interface WeatherOptions {
  /** A JSON file of readings: [{ "station": "Oslo", "celsius": -3.5, "measured_at": "2026-01-15T06:00:00Z" }]. */
  file: string
}

export interface Reading { station: string, celsius: number, measured_at: string }

declare module 'fastify' {
  interface FastifyInstance {
    acme: { readings: (signal?: AbortSignal) => Promise<Reading[]> }
  }
}

/** `acme`: the readings of Acme's weather stations, as a tool and as routes. */
const weather: FastifyPluginAsync<WeatherOptions> = async (fastify, { file }) => {
  const { authenticate, tools } = fastify
  const { sql, ToolError } = tools

  async function readings (signal?: AbortSignal): Promise<Reading[]> {
    return JSON.parse(await readFile(file, { encoding: 'utf8', signal }))
  }
  fastify.decorate('acme', { readings })

  tools.add({
    name: 'get_weather',
    description: 'Returns the latest reading of one weather station, and how old it is.',
    effect: 'read',
    input: Type.Object({
      station: Type.String({ maxLength: 100, description: 'Name of the station, for example Oslo' })
    }),
    output: Type.Object({
      station: Type.String(),
      celsius: Type.Number(),
      age_seconds: Type.Integer({ description: 'Time since the reading was taken' })
    }),
    limits: { timeoutMs: 5_000 },
    async handler ({ station }, { db, signal }) {
      const reading = (await readings(signal)).find((one) => one.station === station)
      if (reading === undefined) throw new ToolError('not_found', `There is no station "${station}"`)
      const age = await db.value<number>(sql`select extract(epoch from now() - ${reading.measured_at}::timestamptz)::int`)
      return { ...reading, age_seconds: age ?? 0 } // what output does not declare stays here
    }
  })

  await fastify.register(async function weatherRoutes (routes) {
    routes.addHook('onRequest', (_request, reply, done) => {
      reply.header('x-acme', 'weather')
      done()
    })
    routes.get('/acme/stations', async () => (await readings()).map(({ station }) => station))
    routes.get('/acme/readings', { onRequest: authenticate }, async () => await readings())
  })
}

export default fp(weather, {
  name: '@acme/portcullis-weather',
  fastify: '5.x',
  dependencies: ['tools', 'authentication'],
  decorators: { fastify: ['tools', 'authenticate'] }
})
