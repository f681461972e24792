import { errorCodes, type FastifyPluginAsync, type FastifyReply, type FastifyRequest, type RequestPayload } from 'fastify'
import fp from 'fastify-plugin'
import { BatchTooLarge, ClientGone, LimitsStoreRefused, oneLine } from '../src/errors.ts'
import { createAdmission, type Admission } from '../src/limits/admission.ts'
import { bounded } from '../src/limits/body.ts'
import { createBuckets, waitFor, type Take } from '../src/limits/buckets.ts'
import { callerKey } from '../src/limits/caller.ts'
import { createInFlight } from '../src/limits/in-flight.ts'
import { createLeases } from '../src/limits/leases.ts'
import { soonMs, tooBusy, tooMany, type Quota } from '../src/limits/refusals.ts'
import { createEnter, createLimitsStage, type Entry } from '../src/limits/stage.ts'
import { askPostgres } from '../src/limits/store.ts'
import { createTurns } from '../src/limits/turns.ts'
import { isStream, toolsCallsOf } from '../src/mcp/body.ts'
import type { Stages } from '../src/mcp/call-tool.ts'
import { overloadTexts } from '../src/pressure.ts'
import { createSpellLog } from '../src/spell-log.ts'

type Done = (error?: Error) => void
type Hook = (request: FastifyRequest, reply: FastifyReply, done: Done) => void

declare module 'fastify' {
  interface FastifyInstance {
    limits: {
      /** After `authenticate`: refuses a request before its body is read when its principal has too many. */
      gate: Hook
      /** A preParsing hook: cuts a body that is longer than the principal may send. */
      body: (request: FastifyRequest, reply: FastifyReply, payload: RequestPayload, done: (error?: Error | null, payload?: RequestPayload) => void) => void
      /** When the body is read: counts what else stands in it, the messages of a batch one by one, waits for the request's turn and lets its call in. */
      turn: Hook
      /** The third step of `callTool`. */
      stage: Stages['limits']
      /** Calls that run and wait now, and of how many principals. */
      stats: Admission['stats']
    }
  }
  interface FastifyRequest {
    /** Ends the request's place among those in flight; null until it has one. */
    givePlaceBack: (() => void) | null
    /** Epoch milliseconds. */
    receivedAt: number
    /** What the limits said of the one call of the body. */
    entry: Entry | undefined
  }
}

const forgetEveryMs = 30_000
const streamCheckMs = 5_000 // for tokens that expire and keys of an issuer that leave; keys of the file tell by themselves
const waitedLongMs = 50
const leastConcurrency = 16 // tools need not use the database, and one slow call must not hold up the rest
const streamsPerPrincipal = 128 // of the 1,024 that the SDK keeps open

/** `limits`: how much a principal may ask, and whose turn it is. */
const limits: FastifyPluginAsync = async (fastify) => {
  const { config, log } = fastify
  const { take, forgetFull } = config.LIMITS_STORE === 'memory' ? createBuckets() : shared()
  const concurrency = config.CALL_CONCURRENCY ?? Math.max(leastConcurrency, config.DB_POOL_MAX)
  const inFlight = createInFlight(concurrency + config.CALL_QUEUE)
  const streams = createInFlight(Infinity)
  const open = new Set<{ request: FastifyRequest, reply: FastifyReply }>()
  const turns = createTurns()
  const maxWaitMs = Math.min(config.CALL_QUEUE_TIMEOUT_MS, config.CALL_TIMEOUT_MS / 2)
  const admission = createAdmission({ concurrency, queue: config.CALL_QUEUE, maxWaitMs: config.CALL_QUEUE_TIMEOUT_MS })
  const enter = createEnter(take, admission, fastify.metrics.queueDuration)
  const overLimits = createSpellLog(log, { begins: 'a principal is over its limits: its requests are refused', ends: 'no principal is over its limits any more' })
  const overload = createSpellLog(log, overloadTexts)
  const storeFails = createSpellLog(log, { begins: 'LIMITS_STORE=postgres does not answer: requests are refused', ends: 'LIMITS_STORE=postgres answers again' })

  function shared (): { take: Take, forgetFull: () => void } {
    const store = askPostgres(fastify.db.beside('limits', 1))
    fastify.addHook('onReady', async () => {
      await Promise.all([store.ask('boot', 1, 0, 0, false), store.forgetFull()]).catch((error) => { throw oneLine(new LimitsStoreRefused(error.cause?.code ?? 'no code')) })
    })
    const leases = createLeases(store.ask)
    return {
      take: leases.take,
      forgetFull: () => {
        if (leases.size() > 0) store.forgetFull().catch((error) => { log.warn({ code: error.cause?.code }, 'full buckets of rate_limits could not be deleted') })
        leases.forgetFull()
      }
    }
  }

  function refuseCaller (request: FastifyRequest, reply: FastifyReply, quota: Quota, waitMs = soonMs): Error {
    overLimits.refused(request.principal.id)
    return tooMany(reply, quota, waitMs)
  }

  function refuseAll (reply: FastifyReply, source: string): Error {
    overload.refused(source)
    return tooBusy(reply)
  }

  /** Draws on the budget of a principal that refused messages draw on too. `again`: messages that the next try draws before. */
  function draw (request: FastifyRequest, reply: FastifyReply, messages: number, done: Done, again = 0): void {
    const { attemptsPerMinute } = fastify.tools.view(request.principal).caller
    const told = (waitMs: number): void => {
      if (waitMs === 0) return done()
      done(refuseCaller(request, reply, { name: 'attempts', most: attemptsPerMinute, isPerMinute: true }, waitMs + (again === 0 ? 0 : waitFor(again, attemptsPerMinute))))
    }
    const waitMs = take(`attempts ${callerKey(request.principal)}`, attemptsPerMinute, messages)
    if (typeof waitMs === 'number') told(waitMs)
    else {
      waitMs.then(told, (error) => {
        storeFails.refused(String(error.cause?.code))
        done(tooBusy(reply))
      })
    }
  }

  function takePlace (request: FastifyRequest, reply: FastifyReply, done: Done): void {
    const caller = callerKey(request.principal)
    const limits = fastify.tools.view(request.principal).caller
    const { concurrency, queue } = limits
    if (admission.refuses(caller, limits, config.CALL_TIMEOUT_MS)) return done(refuseAll(reply, 'calls that wait for their turn'))
    if (turns.expectedWait(caller) > maxWaitMs) return done(refuseAll(reply, 'requests that wait for their turn'))
    const refused = inFlight.enter(caller, concurrency + queue)
    if (refused === 'overloaded') return done(refuseAll(reply, 'requests in flight'))
    if (refused === 'too_many') return done(refuseCaller(request, reply, { name: 'requests', most: concurrency + queue }))
    untilClosed(request, reply, () => { inFlight.leave(caller) })
    done()
  }

  /** A stream stays open for hours: it leaves the requests in flight and is counted among its like. */
  function keepOpen (request: FastifyRequest, reply: FastifyReply, done: Done): void {
    const caller = callerKey(request.principal)
    request.givePlaceBack?.()
    if (streams.enter(caller, streamsPerPrincipal) !== undefined) return done(refuseCaller(request, reply, { name: 'streams', most: streamsPerPrincipal }))
    const stream = { request, reply }
    open.add(stream)
    untilClosed(request, reply, () => {
      streams.leave(caller)
      open.delete(stream)
    })
    done()
  }

  /** Whoever was let in may have lost the credential while it waited or listened. */
  function authenticateAgain (request: FastifyRequest, reply: FastifyReply, done: Done): void {
    fastify.authenticate(request, reply, done as never)
  }

  function closeStreamsOfOthers (): void {
    for (const { request, reply } of open) authenticateAgain(request, reply, (error) => { if (error !== undefined) reply.raw.destroy() })
  }

  /** A request that is one call waits here, where it costs nothing yet; the calls of a batch wait one by one in `callTool`. */
  function letIn (request: FastifyRequest, reply: FastifyReply, done: Done): void {
    const { body, principal, receivedAt } = request
    const tool = Array.isArray(body) ? undefined : toolsCallsOf(body)[0]?.params.name
    const limits = tool === undefined ? undefined : fastify.tools.view(principal).limits.get(tool)
    if (tool === undefined || limits === undefined) return done()

    const gone = new AbortController()
    reply.raw.once('close', () => {
      gone.abort()
      if (typeof request.entry === 'function') request.entry() // no lane came to the call
    })
    enter({ principal, tool, limits, since: receivedAt, deadline: receivedAt + Math.min(config.CALL_TIMEOUT_MS, limits.call.timeoutMs), signal: gone.signal }).then((entry) => {
      request.entry = entry
      if (typeof entry === 'function') return Date.now() - receivedAt > waitedLongMs ? authenticateAgain(request, reply, done) : done()
      if (entry.reason === 'queue_full') return done(refuseCaller(request, reply, { name: 'requests', most: limits.caller.concurrency + limits.caller.queue }, entry.retryAfterMs))
      if (entry.outcome === 'unavailable') return done(refuseAll(reply, 'calls that wait for their turn'))
      done()
    }, (error) => {
      if (gone.signal.aborted) return done(new ClientGone())
      storeFails.refused(String(error.cause?.code))
      done(tooBusy(reply))
    })
  }

  /** The messages of a batch count one by one; the gate has counted the first. */
  function countBatch (request: FastifyRequest, reply: FastifyReply, messages: number, done: Done): void {
    const { attemptsPerMinute } = fastify.tools.view(request.principal).caller
    if (messages > attemptsPerMinute) return done(new BatchTooLarge(String(attemptsPerMinute)))
    if (messages < 2) return done()
    draw(request, reply, messages - 1, done, 1)
  }

  fastify.decorateRequest('givePlaceBack', null)
  fastify.decorateRequest('receivedAt', 0)
  fastify.decorateRequest('entry', undefined)
  fastify.decorate('limits', {
    gate: (request, reply, done) => {
      draw(request, reply, 1, (error) => { error === undefined ? takePlace(request, reply, done) : done(error) })
    },
    body: (request, _reply, payload, done) => {
      const { bodyBytes } = fastify.tools.view(request.principal).caller
      if (bodyBytes >= config.BODY_LIMIT_BYTES) return done(null, payload) // the route's own limit is enough
      if (Number(request.headers['content-length']) > bodyBytes) return done(new errorCodes.FST_ERR_CTP_BODY_TOO_LARGE())
      done(null, bounded(payload, bodyBytes))
    },
    turn: (request, reply, done) => {
      const { body, principal } = request
      request.receivedAt = Date.now()
      const counted: Done = (error) => { error === undefined ? turns.wait(callerKey(principal), () => { reply.raw.destroyed ? done(new ClientGone()) : letIn(request, reply, done) }) : done(error) }
      if (Array.isArray(body)) countBatch(request, reply, body.length, counted)
      else if (isStream(body)) keepOpen(request, reply, counted)
      else counted()
    },
    stage: createLimitsStage(enter),
    stats: admission.stats
  })

  fastify.observe(fastify.metrics.callsActive, (result) => { result.observe(admission.stats().running) })
  fastify.observe(fastify.metrics.callsQueued, (result) => { result.observe(admission.stats().waiting) })
  fastify.keysChanged.add(closeStreamsOfOthers)
  const checking = setInterval(closeStreamsOfOthers, streamCheckMs).unref()
  const forgetting = setInterval(forgetFull, forgetEveryMs).unref()
  fastify.addHook('onClose', async () => {
    clearInterval(forgetting)
    clearInterval(checking)
    for (const spell of [overLimits, overload, storeFails]) spell.close()
  })
}

/** Until the answer is out or the client is gone: only the reply's own 'close' comes in either case. */
function untilClosed (request: FastifyRequest, reply: FastifyReply, leave: () => void): void {
  if (reply.raw.destroyed) return leave() // while it was asked who it is, or how often it came
  const giveBack = (): void => {
    reply.raw.off('close', giveBack)
    leave()
  }
  reply.raw.once('close', giveBack)
  request.givePlaceBack = giveBack
}

export default fp(limits, { name: 'limits', fastify: '5.x', dependencies: ['env', 'telemetry', 'database', 'authentication', 'allowlist'], decorators: { fastify: ['config', 'metrics', 'observe', 'db', 'authenticate', 'keysChanged', 'allowlist'] } })
