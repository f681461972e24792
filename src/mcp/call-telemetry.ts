import { context, type Tracer } from '@opentelemetry/api'
import type { FastifyBaseLogger } from 'fastify'
import { logCall } from './call-log.ts'
import type { createCallMetrics } from './call-metrics.ts'
import { startCallSpan } from './call-span.ts'
import type { Stages } from './call-tool.ts'

export interface CallTelemetryParts {
  log: FastifyBaseLogger
  record: ReturnType<typeof createCallMetrics>
  /** Makes a span for each call; without one there are none. */
  tracer?: Tracer
}

/** Wraps the steps of a call: every attempt is counted, timed, logged and traced once, whatever its outcome. */
export function createCallTelemetry ({ log, record, tracer }: CallTelemetryParts): Stages['telemetry'] {
  return {
    start: (attempt) => {
      const startedAt = performance.now()
      const span = tracer === undefined ? undefined : startCallSpan(tracer, attempt)
      return {
        run: (work) => span === undefined ? work() : context.with(span.context, work),
        finish: (settled, cause) => {
          const ms = performance.now() - startedAt
          const tell = (): void => { // in the context of the span, whose ids the log line carries
            record(attempt, settled, ms)
            logCall(log, attempt, settled, ms, cause)
          }
          if (span === undefined) return tell()
          context.with(span.context, tell)
          span.end(settled)
        }
      }
    }
  }
}
