import type { AddressInfo } from 'node:net'
import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { isLoopback } from '../config/rules.ts'
import { ListenAddressUnexpected } from '../src/errors.ts'

const idleSweepMs = 50

/** Watches the listening socket: it is where the configuration says, and closing does not wait for idle clients. */
const listener: FastifyPluginAsync = async (fastify) => {
  const { HOST } = fastify.config

  fastify.addHook('onListen', async () => {
    const stranger = (fastify.addresses() as AddressInfo[]).find(({ address }) => address !== HOST && !isLoopback(address))
    if (stranger === undefined || !isLoopback(HOST)) return
    // fastify-cli listens on every address inside a container unless told otherwise
    const error = new ListenAddressUnexpected(stranger.address)
    fastify.log.fatal(error.message)
    process.exitCode = 1
    await fastify.close()
    process.exit(1)
  })

  // close() waits for sockets that became idle after it began, until their keep-alive ends
  let sweep: NodeJS.Timeout | undefined
  fastify.addHook('preClose', async () => { sweep = setInterval(() => { fastify.server.closeIdleConnections() }, idleSweepMs).unref() })
  fastify.addHook('onClose', async () => { clearInterval(sweep) })
}

export default fp(listener, { name: 'listener', fastify: '5.x', dependencies: ['env'], decorators: { fastify: ['config'] } })
