import type { IncomingMessage } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { FastifyInstance, FastifyPluginAsync, FastifyServerOptions } from 'fastify'
import fp from 'fastify-plugin'
import { createAddressCheck } from '../src/addresses.ts'
import { isGuest } from '../src/embedding.ts'
import { AddressNotServed, ListenAddressUnexpected } from '../src/errors.ts'
import { parts } from '../src/mcp/drain.ts'
import { serverOptions } from '../src/server-options.ts'
import { bootIsOver, hasPreload, signalSeen } from '../src/signals.ts'

const idleSweepMs = 50
const silentMs = 1_000

/** Watches the listening socket: it is where the configuration says, and closing loses no request and waits for no idle client (docs/shutdown.md). */
const listener: FastifyPluginAsync = async (fastify) => {
  const isServed = createAddressCheck(fastify.config.HOST)
  let isServing = false

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

    isServing = true
    const lacking = [
      ...hasServerOptions(fastify) ? [] : ['server options (timeouts, log redaction, time to drain), PORT, BODY_LIMIT_BYTES and TRUST_PROXY: add "-c ./fastify.config.cjs"'],
      ...hasPreload() ? [] : ['the preload (one Ctrl-C drains, bad settings in plain words): start node with "--import ./dist/src/instrumentation.js"']
    ]
    if (lacking.length > 0) fastify.log.warn({ lacking }, 'started without all of its parts')
  })

  // Whoever reads this sends its next request elsewhere; an open connection that is closed unasked may lose one.
  fastify.addHook('onSend', (_request, reply, payload, done) => {
    if (fastify.drain.hasBegun()) reply.header('connection', 'close')
    done(null, payload)
  })

  const timers: NodeJS.Timeout[] = []
  fastify.addHook('onClose', async () => {
    for (const timer of timers) clearInterval(timer)
    if (isServing) fastify.log.info('stopped')
  })
  fastify.addHook('preClose', async () => {
    if (!fastify.hasDecorator('drain')) return // the boot failed before there was anything to drain
    fastify.drain.begin()
    if (isServing) await untilLoadBalancersNotice(fastify)
    // close() waits for sockets that became idle after it began, until their keep-alive ends
    timers.push(setInterval(() => { fastify.server.closeIdleConnections() }, idleSweepMs).unref())
  })

  if (isGuest(fastify)) return
  const silent = silentConnections(fastify)
  fastify.addHook('preClose', async () => {
    if (!isServing) return
    fastify.log.info({ signal: signalSeen(), calls: fastify.drain.size() }, 'stopping: no new connections, calls in flight may finish')
    timers.push(
      setTimeout(() => { for (const socket of silent) socket.destroy() }, silentMs),
      setTimeout(() => {
        fastify.log.warn({ calls: fastify.drain.size() }, 'stopping: clients that do not read their answer, or never finish their request, are cut off')
        fastify.server.closeAllConnections()
      }, fastify.drain.msUntil(parts.connectionsCut))
    )
  })
}

/** For a while after it stopped being ready, a server still gets requests, and answers them. */
async function untilLoadBalancersNotice ({ config: { SHUTDOWN_DELAY_MS: delayMs }, log, drain }: FastifyInstance): Promise<void> {
  if (delayMs === 0) return
  log.info({ signal: signalSeen(), calls: drain.size(), delayMs }, 'stopping: not ready any more, requests are answered until load balancers have noticed')
  await delay(delayMs)
}

/** Connections that have sent no request yet; neither node nor Fastify counts them as idle. */
function silentConnections ({ server }: FastifyInstance): Set<Socket> {
  const silent = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    silent.add(socket)
    socket.once('close', () => { silent.delete(socket) })
  })
  server.on('request', ({ socket }: IncomingMessage) => { silent.delete(socket) })
  return silent
}

/** TRUST_PROXY can't be asked for; the body limit comes from the same place. */
function hasServerOptions ({ config, initialConfig }: FastifyInstance): boolean {
  const { requestTimeout, bodyLimit } = initialConfig as FastifyServerOptions
  return requestTimeout === serverOptions.requestTimeout && bodyLimit === config.BODY_LIMIT_BYTES
}

export default fp(listener, { name: 'listener', fastify: '5.x', dependencies: ['env'], decorators: { fastify: ['config'] } })
