import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { BatchTooLarge, Overloaded, TooManyRequests } from '../src/errors.ts'
import { createAdmission, type Admission } from '../src/limits/admission.ts'
import { createBuckets, type Take } from '../src/limits/buckets.ts'
import { callerKey } from '../src/limits/caller.ts'
import { createInFlight } from '../src/limits/in-flight.ts'
import { createLeases } from '../src/limits/leases.ts'
import { createLimitsStage, tryAgainIn } from '../src/limits/stage.ts'
import { askPostgres } from '../src/limits/store.ts'
import { createTurns } from '../src/limits/turns.ts'
import type { Stages } from '../src/mcp/call-tool.ts'

type Hook = (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void) => void

declare module 'fastify' {
  interface FastifyInstance {
    limits: {
      /** After `authenticate`: refuses a request before its body is read when its principal has too many. */
      gate: Hook
      /** When the body is read: counts what else stands in it, the messages of a batch one by one, and waits for the request's turn. */
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
  }
}

const forgetEveryMs = 30_000
const soonMs = 1_000
const streamsPerPrincipal = 128 // of the 1,024 that the SDK keeps open

/** `limits`: how much a principal may ask, and whose turn it is. */
const limits: FastifyPluginAsync = async (fastify) => {
  const { config, log } = fastify
  const { take, forgetFull } = config.LIMITS_STORE === 'memory' ? createBuckets() : shared()
  const inFlight = createInFlight(config.CALL_CONCURRENCY + config.CALL_QUEUE)
  const streams = createInFlight(Infinity)
  const turns = createTurns()
  const maxWaitMs = Math.min(config.CALL_QUEUE_TIMEOUT_MS, config.CALL_TIMEOUT_MS / 2)
  const admission = createAdmission({ concurrency: config.CALL_CONCURRENCY, queue: config.CALL_QUEUE, maxWaitMs: config.CALL_QUEUE_TIMEOUT_MS })

  function shared (): { take: Take, forgetFull: () => void } {
    const store = askPostgres(fastify.db.control)
    const leases = createLeases(store.ask)
    return {
      take: leases.take,
      forgetFull: () => {
        if (leases.size() > 0) store.forgetFull().catch((error) => { log.warn({ code: error.cause?.code }, 'full buckets of rate_limits could not be deleted') })
        leases.forgetFull()
      }
    }
  }

  /** The messages of a batch count one by one; the gate has counted the first. */
  function countBatch (request: FastifyRequest, reply: FastifyReply, messages: number, done: (error?: Error) => void): void {
    const { attemptsPerMinute } = fastify.tools.view(request.principal).caller
    if (messages > attemptsPerMinute) return done(new BatchTooLarge(String(attemptsPerMinute)))
    if (messages < 2) return done()
    draw(request, reply, messages - 1, done)
  }

  /** A stream stays open for hours: it leaves the requests in flight and is counted among its like. */
  const keepOpen: Hook = (request, reply, done) => {
    const caller = callerKey(request.principal)
    request.givePlaceBack?.()
    if (streams.enter(caller, streamsPerPrincipal) !== undefined) return done(tooMany(reply, `"streams";q=${streamsPerPrincipal};qu="concurrent-requests"`, '"streams"', soonMs))
    holdPlace(request, reply, () => { streams.leave(caller) })
    done()
  }

  /** Draws on the budget of a principal that refused messages draw on too. */
  function draw (request: FastifyRequest, reply: FastifyReply, messages: number, done: (error?: Error) => void): void {
    const { attemptsPerMinute } = fastify.tools.view(request.principal).caller
    const told = (waitMs: number): void => { done(waitMs === 0 ? undefined : tooMany(reply, `"attempts";q=${attemptsPerMinute};w=60`, '"attempts"', waitMs)) }
    const waitMs = take(`attempts ${callerKey(request.principal)}`, attemptsPerMinute, messages)
    if (typeof waitMs === 'number') return told(waitMs)
    waitMs.then(told, (error) => {
      log.error({ code: error.cause?.code }, 'the store of the limits does not answer')
      done(overloaded(reply))
    })
  }

  fastify.decorateRequest('givePlaceBack', null)
  fastify.decorateRequest('receivedAt', 0)
  fastify.decorate('limits', {
    gate: (request, reply, done) => {
      request.receivedAt = Date.now()
      draw(request, reply, 1, (error) => {
        if (error !== undefined) return done(error)
        const caller = callerKey(request.principal)
        const { concurrency, queue } = fastify.tools.view(request.principal).caller
        const refused = turns.expectedWait(caller) > maxWaitMs ? 'overloaded' : inFlight.enter(caller, concurrency + queue)
        if (refused === 'overloaded') return done(overloaded(reply))
        if (refused === 'too_many') return done(tooMany(reply, `"requests";q=${concurrency + queue};qu="concurrent-requests"`, '"requests"', soonMs))
        holdPlace(request, reply, () => { inFlight.leave(caller) })
        done()
      })
    },
    turn: (request, reply, done) => {
      const counted = (error?: Error): void => { error === undefined ? turns.wait(callerKey(request.principal), done) : done(error) }
      if (Array.isArray(request.body)) countBatch(request, reply, request.body.length, counted)
      else if (isStream(request.body)) keepOpen(request, reply, counted)
      else counted()
    },
    stage: createLimitsStage(take, admission),
    stats: admission.stats
  })

  const forgetting = setInterval(forgetFull, forgetEveryMs).unref()
  fastify.addHook('onClose', async () => { clearInterval(forgetting) })
}

function isStream (body: unknown): boolean {
  return (body as { method?: unknown } | null | undefined)?.method === 'subscriptions/listen'
}

/** Until the answer is out or the client is gone: only the reply's own 'close' comes in either case. */
function holdPlace (request: FastifyRequest, reply: FastifyReply, leave: () => void): void {
  const giveBack = (): void => {
    reply.raw.off('close', giveBack)
    leave()
  }
  reply.raw.once('close', giveBack)
  request.givePlaceBack = giveBack
}

/** Header fields of draft-ietf-httpapi-ratelimit-headers-10. */
function tooMany (reply: FastifyReply, policy: string, name: string, waitMs: number): Error {
  const seconds = Math.ceil(waitMs / 1000)
  reply.headers({ 'retry-after': seconds, 'ratelimit-policy': policy, ratelimit: `${name};r=0;t=${seconds}` })
  return new TooManyRequests(tryAgainIn(waitMs))
}

function overloaded (reply: FastifyReply): Error {
  reply.header('retry-after', soonMs / 1000)
  return new Overloaded(tryAgainIn(soonMs))
}

export default fp(limits, { name: 'limits', fastify: '5.x', dependencies: ['env', 'database', 'allowlist'], decorators: { fastify: ['config', 'db', 'allowlist'] } })
