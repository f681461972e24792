import { randomUUID } from 'node:crypto'
import type { Spent } from '../db/lease.ts'
import type { Limits } from '../limits/limits.ts'
import type { Entry } from '../limits/stage.ts'
import type { TraceHeaders } from '../upstream.ts'
import type { Client, Notify, Principal } from './tool.ts'
import type { CompiledTool } from './registry.ts'

export type Decision = { allowed: true } | { allowed: false, reason: 'unknown' | 'denied' }
/** 'unavailable': the server stops, and another may try. */
export type AbortReason = 'timeout' | 'cancelled' | 'killed' | 'unavailable'

/** One tools/call element, made by a lane. */
export interface Attempt {
  id: string
  /** As the client sent it: never a label, a map key that lives on, or a log line. */
  name: string
  tool?: CompiledTool
  args: unknown
  principal: Principal
  decision?: Decision
  /** Of this principal on this tool; those of a tool that it may not call are nobody's business. */
  limits?: Limits
  /** What the limits said of it already, where it is a request of its own; whoever takes it ends it. */
  takeEntry?: () => Entry | undefined
  era: 'modern' | 'legacy'
  /** The revision that the request is written in, if it is one of those that are spoken here. */
  protocolVersion?: string
  /** JSON-RPC id of the request. */
  requestId?: string | number
  lane: 'express' | 'sdk'
  client: Client
  /** From `params._meta` (W3C trace context). */
  trace?: TraceHeaders
  /** Epoch milliseconds. */
  deadline: number
  signal: AbortSignal
  abort: (why: AbortReason) => void
  notify?: Notify
  /** What its database work took, once there is some. */
  spent?: Readonly<Spent>
  inputResponses?: unknown
  requestState?: string
}

/** Why a call was ended early; the reason of its AbortSignal. */
export class CallAborted extends Error {
  readonly why: AbortReason

  constructor (why: AbortReason) {
    super(`call ${why}`)
    this.name = 'CallAborted'
    this.why = why
  }
}

/** Completes what a lane knows of a call with id, deadline and a way to abort it. */
export function createAttempt (known: Omit<Attempt, 'id' | 'deadline' | 'signal' | 'abort'>, callTimeoutMs: number, receivedAt = Date.now()): Attempt {
  const controller = new AbortController()
  return {
    ...known,
    id: randomUUID(),
    deadline: receivedAt + Math.min(callTimeoutMs, known.limits?.call.timeoutMs ?? Infinity),
    signal: controller.signal,
    abort: (why) => { controller.abort(new CallAborted(why)) }
  }
}
