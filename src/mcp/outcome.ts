import type { AskContent } from './ask.ts'
import type { Block } from './blocks.ts'

/** How an attempt ended: one closed set for metrics, spans, logs, audit and the wire. */
export type Outcome =
  | 'ok' | 'input_required' | 'tool_error' | 'invalid' | 'unknown' | 'denied' | 'killed'
  | 'limited' | 'unavailable' | 'timeout' | 'withheld' | 'cancelled' | 'error'

/** Why a stage said no; `message` is safe for a model. */
export interface Refusal {
  outcome: Outcome
  reason?: string
  message?: string
  retryAfterMs?: number
}

/** The end of an attempt. `text` is the serialised result: what the model sees. */
export interface Settled {
  outcome: Outcome
  reason?: string
  text: string
  /** Whether `text` is also the JSON of structuredContent. */
  structured: boolean
  blocks?: readonly Block[]
  ask?: AskContent & { requestState?: string }
  retryAfterMs?: number
}
