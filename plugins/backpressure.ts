import underPressure from '@fastify/under-pressure'
import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { Overloaded } from '../src/errors.ts'
import { createLoopSource, memorySources, overloadTexts, type PressureSource } from '../src/pressure.ts'
import { createSpellLog } from '../src/spell-log.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Adds something that can have too much to do; while it has, requests are refused. */
    pressure: { watch: (source: PressureSource) => void }
  }
  interface FastifyContextConfig {
    /** false: the route answers under overload too. */
    sheds?: boolean
  }
}

const shortestSampleMs = 100
/** Made once; those who are refused together do not come back together. */
const refusals = ['1', '2', '3', '4', '5'].map((seconds) => ({ seconds, error: new Overloaded(seconds) }))
const isPressing = (source: PressureSource): boolean => source.isPressing()

/** `pressure`: while the process or what it waits for is at its bound, requests are refused before their body is read; those in flight go on. */
const backpressure: FastifyPluginAsync = async (fastify) => {
  const sampleInterval = Math.max(shortestSampleMs, fastify.config.SHED_EVENT_LOOP_MS) // within less, a delay as long as the bound can't be told from an infinite one
  await fastify.register(underPressure, { sampleInterval }) // without limits of its own it measures and refuses nothing
  const { config, memoryUsage } = fastify
  const loop = createLoopSource(config.SHED_EVENT_LOOP_MS)
  const sources = [...config.SHED_EVENT_LOOP_MS === 0 ? [] : [loop], ...memorySources(config, memoryUsage)]
  const spells = createSpellLog(fastify.log, overloadTexts)
  fastify.decorate('pressure', { watch: (source) => { sources.push(source) } })

  fastify.addHook('onRequest', (request, reply, done) => {
    if (request.routeOptions.config.sheds === false) return done()
    const source = sources.find(isPressing)
    if (source === undefined) return done()
    spells.refused(source.name)
    const { seconds, error } = refusals[Math.floor(Math.random() * refusals.length)] as typeof refusals[number]
    reply.header('retry-after', seconds)
    done(error)
  })

  let sampling: NodeJS.Timeout | undefined
  fastify.addHook('onReady', async () => { sampling = setInterval(() => { loop.sample(memoryUsage().eventLoopDelay) }, sampleInterval).unref() }) // what booting blocks refuses nobody
  fastify.addHook('onClose', async () => {
    clearInterval(sampling)
    spells.close()
  })
}

export default fp(backpressure, { name: 'backpressure', fastify: '5.x', dependencies: ['env'], decorators: { fastify: ['config'] } })
