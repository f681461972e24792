import type { FastifyBaseLogger, FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { createCursors } from '../src/cursor.ts'
import { createCallTool, type CallTool, type Stages } from '../src/mcp/call-tool.ts'
import { createCallMetrics } from '../src/mcp/call-metrics.ts'
import { createCallTelemetry } from '../src/mcp/call-telemetry.ts'
import { createDrain, type Drain } from '../src/mcp/drain.ts'
import { createRequestState } from '../src/mcp/request-state.ts'
import { makeCall } from '../src/mcp/make-call.ts'
import { createUpstream } from '../src/upstream.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The one way to a handler. */
    callTool: CallTool
    /** What is in flight, for a shutdown that loses none of it. */
    drain: Drain
    /** Counts, traces and logs what became no call. */
    callTelemetry: Stages['telemetry']
  }
}

/** Composes `callTool` from the stages that are registered. */
const pipeline: FastifyPluginAsync = async (fastify) => {
  const log: FastifyBaseLogger = fastify.log
  const { EGRESS_HOSTS: hosts, EGRESS_MAX_RESPONSE_BYTES: maxBytes } = fastify.config
  const upstream = createUpstream({ hosts, maxBytes })
  const cursorsOf = createCursors(fastify.config.PORTCULLIS_SECRET)
  const stages: Stages = {
    telemetry: createCallTelemetry({ log, record: createCallMetrics(fastify.metrics), tracer: fastify.tracer }),
    allowlist: {
      check: ({ decision, tool }) => {
        if (decision === undefined) {
          log.error('an attempt reached the pipeline without a decision of the allowlist; it was refused')
          return { outcome: 'denied', reason: 'no_decision' }
        }
        if (!decision.allowed) return { outcome: decision.reason, reason: 'allowlist' }
        return tool === undefined ? { outcome: 'unknown' } : undefined
      }
    },
    limits: fastify.limits.stage,
    requestState: createRequestState(fastify.config.PORTCULLIS_SECRET),
    database: { lend: ({ principal: { tenant }, deadline }, tool) => fastify.db.lend(tool, { tenant, deadline }) },
    upstream: { lend: ({ signal, trace }) => upstream(signal, trace) },
    call: (attempt, parts) => makeCall(attempt, { ...parts, cursorsOf, log })
  }
  const drain = createDrain(createCallTool(stages), fastify.config.SHUTDOWN_GRACE_MS)
  fastify.decorate('callTool', drain.callTool)
  fastify.decorate('drain', drain)
  fastify.decorate('callTelemetry', stages.telemetry)
}

export default fp(pipeline, { name: 'pipeline', fastify: '5.x', dependencies: ['env', 'telemetry', 'database', 'limits', 'tools'], decorators: { fastify: ['config', 'metrics', 'tracer', 'db', 'limits', 'tools'] } })
