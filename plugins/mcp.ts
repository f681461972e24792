import type { FastifyError, FastifyPluginAsync, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { createAddressCheck } from '../src/addresses.ts'
import { AddressNotServed, BatchRefused, BodyEncoded, BodyTooComplex, ForeignHost, IdsRefused, Stopping } from '../src/errors.ts'
import { hasMoreThan, headerValues, isEncoded } from '../src/headers.ts'
import { createHostGuard, splitList } from '../src/hosts.ts'
import type { Entry } from '../src/limits/stage.ts'
import type { Decision } from '../src/mcp/attempt.ts'
import { decide, hasBadIds, isStream, isTooComplex, mayBatch, takeOddArguments } from '../src/mcp/body.ts'
import { refusalAttributes, refusalReasons, refusedByProtocol, toHttpError, toWebRequest } from '../src/mcp/http.ts'
import { describeCause } from '../src/mcp/call-log.ts'
import { createOperations, faultOfAnswer } from '../src/mcp/operations.ts'
import { createSdkLane } from '../src/mcp/sdk-lane.ts'
import { modernVersion, protocolVersion, type Fault } from '../src/mcp/semconv.ts'
import { version } from '../src/version.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** What the allowlist said of every tool named in the body. */
    decisions: ReadonlyMap<string, Decision>
    /** Counts the request out of those that a server which stops waits for. */
    countOut: () => void
  }
}

const toldOnce = new Set(['MCP_STOPPING', 'MCP_OVERLOADED', 'MCP_TOO_MANY_REQUESTS', 'MCP_ISSUER_UNAVAILABLE'])
const nobodyAsked: ReadonlyMap<string, Decision> = new Map()

/** POST /mcp (other methods answer 405): Host, Origin, credentials and allowlist are checked here, then a lane answers. */
const mcp: FastifyPluginAsync = async (fastify) => {
  const { config, tools, drain } = fastify
  const foreign = createHostGuard(config.ALLOWED_HOSTS, config.ALLOWED_ORIGINS)
  const isServed = createAddressCheck(config.HOST)
  const operations = createOperations(fastify)
  for (const reason of refusalReasons) fastify.metrics.requestsRefused.add(0, reason) // a rate that begins at one would miss the first
  let lane: ReturnType<typeof createSdkLane>
  let haveStreamsEnded = false

  fastify.decorateRequest('decisions', null as unknown as ReadonlyMap<string, Decision>)
  fastify.decorateRequest('countOut', null as unknown as () => void)

  fastify.setErrorHandler((error: FastifyError, request, reply) => {
    const { status, body } = toHttpError(error)
    fastify.metrics.requestsRefused.add(1, refusalAttributes(error))
    if (error.code === 'FST_ERR_CTP_BODY_TOO_LARGE' || hasMoreThan(config.BODY_LIMIT_BYTES, request.headers)) reply.header('connection', 'close') // or the rest would be read for nothing
    if (toldOnce.has(error.code)) return reply.code(status).send(body) // told once, by whoever refuses
    if (status >= 500) request.log.error({ err: error }, 'request failed')
    else request.log.warn({ code: error.code, status, reason: (error as { reason?: string }).reason, ip: request.ip }, 'request refused')
    return reply.code(status).send(body)
  })

  // JSON alone, read by Fastify's own parser: 415 for the rest, whatever a server around this one parses and how
  fastify.removeAllContentTypeParsers()
  fastify.addContentTypeParser('application/json', { parseAs: 'string' }, fastify.getDefaultJsonParser('error', 'error'))

  fastify.addHook('onRequest', (request, reply, done) => {
    request.countOut = drain.enter(reply.raw)
    done()
  })
  fastify.addHook('onRequest', (request, _reply, done) => {
    if (!isServed(request.raw.socket.localAddress)) return done(new AddressNotServed())
    const host = headerValues(request.raw, 'host')
    const origin = headerValues(request.raw, 'origin')
    const fault = host.length > 1 ? 'host' : origin.length > 1 ? 'origin' : foreign(host[0], origin[0])
    if (fault === undefined) return done()
    done(fault === 'host' ? new ForeignHost('Host', 'ALLOWED_HOSTS') : new ForeignHost('Origin', 'ALLOWED_ORIGINS'))
  })
  fastify.addHook('onRequest', fastify.authenticate)
  fastify.addHook('onRequest', fastify.limits.gate)
  fastify.addHook('onRequest', (request, _reply, done) => { done(isEncoded(request.headers) ? new BodyEncoded() : undefined) })

  fastify.addHook('preParsing', (request, reply, payload, done) => { fastify.limits.body(request, reply, payload, done) })

  fastify.addHook('preHandler', (request, reply, done) => {
    if (isTooComplex(request.body)) return done(new BodyTooComplex())
    if (Array.isArray(request.body) && !mayBatch(request.headers['mcp-protocol-version'])) return done(new BatchRefused())
    if (hasBadIds(request.body)) return done(new IdsRefused())
    fastify.limits.turn(request, reply, (error) => { // what is allowed is asked when it runs, not when it came
      if (error !== undefined) return done(error)
      request.decisions = request.body === undefined ? nobodyAsked : decide(request.body, tools.view(request.principal), (name) => tools.get(name) !== undefined)
      done()
    })
  })

  fastify.addHook('onReady', async () => {
    lane = createSdkLane({
      name: config.SERVICE_NAME,
      version,
      instructions: config.SERVICE_DESCRIPTION,
      callTimeoutMs: config.CALL_TIMEOUT_MS,
      registry: tools,
      callTool: fastify.callTool,
      extensions: fastify.mcp,
      operations,
      telemetry: fastify.callTelemetry,
      onError: (error) => { fastify.log.error({ cause: describeCause(error) }, 'a handler of an extension failed') },
      onRefused: (error) => {
        fastify.metrics.requestsRefused.add(1, refusedByProtocol)
        fastify.log.debug({ reason: /^Rejected inbound request \(([a-z-]+)\)/.exec(error.message)?.[1] ?? '_OTHER' }, 'request refused by the protocol')
      }
    })
  })

  fastify.route({
    method: ['HEAD', 'GET', 'POST', 'PUT', 'PATCH', 'DELETE', ...splitList(config.ALLOWED_ORIGINS).length === 0 ? [] : ['OPTIONS']], // all but POST are answered 405
    url: '/mcp',
    config: { crossOrigin: true },
    bodyLimit: config.BODY_LIMIT_BYTES,
    handler: async (request, reply) => {
      // The request's own 'close' comes when its body has been read; only the reply knows that the client is gone.
      const gone = new AbortController()
      const { body, principal, decisions, receivedAt } = request
      if (isStream(body) && haveStreamsEnded) throw new Stopping()
      const isListening = isStream(body) && protocolVersion(request.headers['mcp-protocol-version']) === modernVersion // an older revision has no such method
      const endOfStream = isListening ? operations.begin(body.method, modernVersion, body.params?._meta) : undefined
      let fault: Fault = {}
      reply.raw.once('close', () => {
        if (!reply.raw.writableFinished) gone.abort()
        endOfStream?.(fault)
      })
      const answer = await lane.handle(toWebRequest(request, gone.signal), { body, principal, decisions, receivedAt, takeEntry: () => takeEntry(request), oddArguments: takeOddArguments(body) })
      if (isListening) fault = await faultOfAnswer(answer)
      if (isStream(body)) request.countOut() // it ends when the server stops, not before
      return await reply.send(answer)
    }
  })

  // The wait goes on while the listener stops, which comes after this hook; a server that closes by force would cut what is in flight then.
  let settled: Promise<void> | undefined
  fastify.addHook('preClose', async () => {
    drain.begin()
    haveStreamsEnded = true
    await lane?.endStreams()
    settled = drain.wait()
    if (fastify.initialConfig.forceCloseConnections === true) await settled
  })
  fastify.addHook('onClose', async () => {
    await settled
    await lane?.close()
  })
}

/** What the limits said of the call of a request; theirs no longer. */
function takeEntry (request: FastifyRequest): Entry | undefined {
  const { entry } = request
  request.entry = undefined
  return entry
}

export default fp(mcp, {
  name: 'mcp',
  fastify: '5.x',
  encapsulate: true,
  dependencies: ['env', 'telemetry', 'authentication', 'limits', 'tools', 'pipeline'],
  decorators: { fastify: ['config', 'metrics', 'authenticate', 'limits', 'tools', 'mcp', 'callTool', 'drain', 'callTelemetry'] }
})
