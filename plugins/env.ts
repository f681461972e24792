import fastifyEnv from '@fastify/env'
import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { envSchema } from '../config/env.ts'
import { loadConfig, ownKeywords, type Config, type Environment } from '../config/load.ts'
import { isGuest } from '../src/embedding.ts'

declare module 'fastify' {
  interface FastifyInstance { config: Config }
}

export interface EnvOptions {
  /** Variables to read instead of `.env` and the process's own; for tests and for embedding. */
  env?: Environment
}

/** `config`: the validated environment. A bad one stops the boot with everything that is wrong. */
const env: FastifyPluginAsync<EnvOptions> = async (fastify, { env }) => {
  const { config, warnings } = loadConfig(env)
  await fastify.register(fastifyEnv, { schema: structuredClone(envSchema), data: config, env: false, ajv: { customOptions: ownKeywords } })
  if (!isGuest(fastify)) fastify.log.level = config.LOG_LEVEL
  for (const warning of warnings) fastify.log.warn(warning)
  if (config.PORTCULLIS_ENV === 'development') {
    fastify.log.info({ auth: config.AUTH_MODE }, 'development: serves this machine only; set PORTCULLIS_ENV=production to serve others')
  }
}

export default fp(env, { name: 'env', fastify: '5.x' })
