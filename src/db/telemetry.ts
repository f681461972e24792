import { SpanKind, SpanStatusCode, type Attributes, type Tracer } from '@opentelemetry/api'
import pg from 'pg'
import type { Metrics } from '../metrics.ts'

/** Ends what `begin` began; with what was thrown, if it failed. */
export type EndStatement = (error?: unknown) => void

/** What a pool tells of its work: opentelemetry.io/docs/specs/semconv/database/postgresql. */
export interface DbTelemetry {
  /** @param text the statement, where it is one that a tool's author wrote; its values are elsewhere */
  begin: (operation: string, text?: string) => EndStatement
  /** A call has waited so many milliseconds for a connection. */
  waited: (ms: number) => void
  /** It got none, because all were lent. */
  timedOut: () => void
}

export interface DbTelemetryParts {
  metrics: Pick<Metrics, 'dbDuration' | 'dbWait' | 'dbTimeouts'>
  tracer?: Tracer
}

const sqlState = /^[0-9A-Z]{5}$/

/**
 * Spans and metrics of one pool. The driver's instrumentation would put PostgreSQL's messages into spans, which quote data, and the text of foreign SQL.
 * @param connectionString where the pool connects to; the name of its database is told
 */
export function createDbTelemetry ({ metrics: { dbDuration, dbWait, dbTimeouts }, tracer }: DbTelemetryParts, poolName: string, connectionString?: string): DbTelemetry {
  const pool: Attributes = { 'db.client.connection.pool.name': poolName }
  const database: Attributes = { ...pool, 'db.system.name': 'postgresql', 'db.namespace': connectionString && new pg.Client({ connectionString }).database }
  const ends = new Map<string, Attributes>()
  dbTimeouts.add(0, pool) // a rate that begins at one would miss the first

  function attributesOf (operation: string, error?: string): Attributes {
    const key = error === undefined ? operation : `${operation} ${error}`
    let found = ends.get(key)
    if (found === undefined) ends.set(key, found = { ...database, 'db.operation.name': operation, ...error === undefined ? {} : { 'error.type': error } })
    return found
  }

  return {
    waited: (ms) => { dbWait.record(ms / 1000, pool) },
    timedOut: () => { dbTimeouts.add(1, pool) },
    begin: (operation, text) => {
      const startedAt = performance.now()
      const span = tracer?.startSpan(operation, { kind: SpanKind.CLIENT, attributes: attributesOf(operation) })
      if (text !== undefined) span?.setAttribute('db.query.text', text)
      return (...failure) => {
        const error = failure.length === 0 ? undefined : errorType(failure[0])
        dbDuration.record((performance.now() - startedAt) / 1000, attributesOf(operation, error))
        if (span === undefined) return
        if (error !== undefined) {
          span.setAttribute('error.type', error)
          if (sqlState.test(error)) span.setAttribute('db.response.status_code', error)
          span.setStatus({ code: SpanStatusCode.ERROR })
        }
        span.end()
      }
    }
  }
}

/** SQLSTATE, the code of a socket error, or `_OTHER`: messages quote data. */
function errorType (error: unknown): string {
  const { code } = (error ?? {}) as { code?: unknown }
  return typeof code === 'string' && /^[0-9A-Z_]{1,32}$/.test(code) ? code : '_OTHER'
}
