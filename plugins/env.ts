import fastifyEnv from '@fastify/env'
import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { envSchema } from '../config/env.ts'
import { loadConfig, processEnvironment, type Config } from '../config/load.ts'
import { ownKeywords, type Environment } from '../config/variables.ts'
import { isGuest } from '../src/embedding.ts'
import { createSettings, type Settings } from '../src/settings.ts'

declare module 'fastify' {
  interface FastifyInstance {
    config: Config
    /** What tools and plugins declare and read for themselves. */
    settings: Settings
  }
}

export interface EnvOptions {
  /** Variables to read instead of `.env` and the process's own; for tests and for embedding. */
  env?: Environment
}

/** `config` and `settings`: the validated environment. A bad one stops the boot with everything that is wrong. */
const env: FastifyPluginAsync<EnvOptions> = async (fastify, { env: environment = processEnvironment() }) => {
  const { config, warnings } = loadConfig(environment)
  await fastify.register(fastifyEnv, { schema: structuredClone(envSchema), data: config, env: false, ajv: { customOptions: ownKeywords } })
  if (!isGuest(fastify)) fastify.log.level = config.LOG_LEVEL
  for (const warning of warnings) fastify.log.warn(warning)

  const settings = createSettings(environment)
  fastify.decorate('settings', settings)
  fastify.addHook('onReady', async () => { // every tool has declared its own by now
    settings.check()
    for (const warning of settings.warnings()) fastify.log.warn(warning)
  })
  if (config.PORTCULLIS_ENV === 'development') {
    fastify.log.info({ auth: config.AUTH_MODE }, 'development: serves this machine only; set PORTCULLIS_ENV=production to serve others')
  }
}

export default fp(env, { name: 'env', fastify: '5.x' })
