import type { FastifyBaseLogger } from 'fastify'
import type { Static, TObject } from 'typebox'
import type { Cursors } from '../cursor.ts'
import type { Db } from '../db/lease.ts'
import type { Ask } from './ask.ts'
import type { Blocks } from './blocks.ts'

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

/** Who is calling. Allowlist, limits, kill switch and audit key on it. */
export interface Principal {
  id: string
  kind: 'anonymous' | 'api-key' | 'oauth'
  roles: readonly string[]
  tenant?: string
}

/** What the client said about itself. Never a security input. */
export interface Client {
  info?: { name: string, version: string }
  capabilities: Record<string, unknown>
}

/** What came back to an Ask, with the state that was sent along. */
export interface Answers {
  state?: Json
  responses: Record<string, Json>
}

export interface Notification { method: string, params?: Record<string, unknown> }
export type Notify = (notification: Notification) => void

/** MCP tool annotations: hints for clients, derived from `effect` where a tool says nothing. */
export interface ToolAnnotations {
  title?: string
  readOnlyHint?: boolean
  destructiveHint?: boolean
  idempotentHint?: boolean
  openWorldHint?: boolean
}

/** For each principal; an operator may set others in the allowlist. */
export interface ToolLimits {
  /** Longest run of one call, milliseconds; CALL_TIMEOUT_MS caps it. */
  timeoutMs?: number
  /** Calls that run at the same time. */
  concurrency?: number
  /** Instead of RATE_LIMIT_PER_MINUTE; 0 is no limit. */
  perMinute?: number
  /** Longest result, bytes. */
  resultBytes?: number
}

/** An object schema, or 'blocks' for text, image, audio and resource content made with `blocks(...)`. */
export type Output = TObject | 'blocks'
export type Result<O extends Output> = O extends TObject ? Static<O> : Blocks

/** What a tool author writes; one file under tools/ adds one of these. */
export interface Tool<I extends TObject = TObject, O extends Output = Output, C extends TObject = TObject> {
  name: string
  title?: string
  /** Written for a model: what it does, and when to prefer something else. */
  description: string
  /** Another database than the server's: `call.db` reads `warehouse` at WAREHOUSE_DATABASE_URL, under the same rules. */
  database?: string
  /** Runs SQL that it did not write, through `foreign(text)`: see docs/database.md for what that needs. */
  foreignSql?: boolean
  /** The tool's own variables, read from the environment at boot; `call.config` has their values. */
  config?: C
  /** Unknown arguments are refused. `errorMessage` on a property is the text a model reads when it is wrong. */
  input: I
  output: O
  /** 'write': what its statements do is one transaction, committed by the pipeline when the result is ok, else rolled back. */
  effect: 'read' | 'write'
  annotations?: ToolAnnotations
  limits?: ToolLimits
  handler: (args: Static<I>, call: Call<C>) => Promise<Result<O> | Ask>
}

/** What a handler gets beside its arguments. */
export interface Call<C extends TObject = TObject> {
  id: string
  principal: Principal
  /** Aborted when the client left, the deadline passed or the call was killed. */
  signal: AbortSignal
  /** Epoch milliseconds. */
  deadline: number
  log: FastifyBaseLogger
  /** One connection per call at most, lent by the pipeline at the first statement. */
  db: Db
  /** Calls the hosts of EGRESS_HOSTS, within the call's time; answers are bounded. Nothing of the caller goes along but its trace context. */
  fetch: typeof fetch
  /** Reports progress to a client that asked for it; values that do not increase are dropped. */
  progress: (done: number, total?: number, message?: string) => void
  notify: Notify
  /** Seals where a page ended into text for the client, bound to this caller and tool, and opens it again. */
  cursors: Cursors
  config: Static<C>
  client: Client
  answers?: Answers
}

export type ToolErrorCode = 'not_found' | 'invalid_argument' | 'conflict' | 'forbidden' | 'upstream'

/** The one error whose text a model may read. Everything else thrown becomes a generic message. */
export class ToolError extends Error {
  readonly code: ToolErrorCode
  readonly data?: Record<string, Json>

  constructor (code: ToolErrorCode, message: string, data?: Record<string, Json>) {
    super(message)
    this.name = 'ToolError'
    this.code = code
    this.data = data
  }
}
