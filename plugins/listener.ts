import type { AddressInfo } from 'node:net'
import type { FastifyInstance, FastifyPluginAsync, FastifyServerOptions } from 'fastify'
import fp from 'fastify-plugin'
import { createAddressCheck } from '../src/addresses.ts'
import { isGuest } from '../src/embedding.ts'
import { AddressNotServed, ListenAddressUnexpected } from '../src/errors.ts'
import { serverOptions } from '../src/server-options.ts'
import { bootIsOver, hasPreload, signalSeen } from '../src/signals.ts'

const idleSweepMs = 50

/** Watches the listening socket: it is where the configuration says, and closing does not wait for idle clients. */
const listener: FastifyPluginAsync = async (fastify) => {
  const isServed = createAddressCheck(fastify.config.HOST)

  fastify.addHook('onListen', async () => {
    bootIsOver()
    const stranger = (fastify.addresses() as Array<AddressInfo | string>).find((bound) => typeof bound === 'object' && !isServed(bound.address)) as AddressInfo | undefined
    if (isGuest(fastify)) {
      if (stranger !== undefined) fastify.log.error({ address: stranger.address }, new AddressNotServed().message)
      return
    }
    if (stranger !== undefined) {
      // fastify-cli listens on every address inside a container unless told otherwise
      fastify.log.fatal(new ListenAddressUnexpected(stranger.address).message)
      process.exitCode = 1
      await fastify.close()
      return
    }

    const lacking = [
      ...hasServerOptions(fastify) ? [] : ['server options (timeouts, log redaction, time to drain), PORT, BODY_LIMIT_BYTES and TRUST_PROXY: add "-c ./fastify.config.cjs"'],
      ...hasPreload() ? [] : ['the preload (one Ctrl-C drains, bad settings in plain words): start node with "--import ./dist/src/instrumentation.js"']
    ]
    if (lacking.length > 0) fastify.log.warn({ lacking }, 'started without all of its parts')
  })

  // close() waits for sockets that became idle after it began, until their keep-alive ends
  let sweep: NodeJS.Timeout | undefined
  fastify.addHook('preClose', async () => { sweep = setInterval(() => { fastify.server.closeIdleConnections() }, idleSweepMs).unref() })
  fastify.addHook('onClose', async () => { clearInterval(sweep) })

  if (isGuest(fastify)) return
  let isServing = false
  fastify.addHook('preClose', async () => {
    isServing = fastify.server.listening
    if (isServing) fastify.log.info({ signal: signalSeen(), calls: fastify.drain.size() }, 'stopping: no new connections, calls in flight may finish')
  })
  fastify.addHook('onClose', async () => { if (isServing) fastify.log.info('stopped') })
}

/** TRUST_PROXY can't be asked for; the body limit comes from the same place. */
function hasServerOptions ({ config, initialConfig }: FastifyInstance): boolean {
  const { requestTimeout, bodyLimit } = initialConfig as FastifyServerOptions
  return requestTimeout === serverOptions.requestTimeout && bodyLimit === config.BODY_LIMIT_BYTES
}

export default fp(listener, { name: 'listener', fastify: '5.x', dependencies: ['env'], decorators: { fastify: ['config'] } })
