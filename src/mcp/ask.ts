import type { Json } from './tool.ts'

/** One question to the client: an elicitation, a sampling request or the list of roots. */
export interface InputRequest {
  method: 'elicitation/create' | 'sampling/createMessage' | 'roots/list'
  params?: Record<string, unknown>
}

const askTag: unique symbol = Symbol('ask')
type Hint = '' | 0 | true | Hint[] | { [key: string]: Hint }

/**
 * What a handler returns when it needs an answer first (revision 2026-07-28, multi round-trip requests).
 * The hint in the type keeps the literals of a handler's other results literal.
 */
export type Ask = { readonly [askTag]: true } & { [key: string]: Hint }

export interface AskContent {
  requests: Record<string, InputRequest>
  state?: Json
}

/** Asks the client; `state` comes back in `call.answers.state`, sealed against change while it is away. */
export function ask (requests: Record<string, InputRequest>, state?: Json): Ask {
  return { [askTag]: true, requests, state } as unknown as Ask
}

/** The content of an Ask, or undefined for any other value. */
export function contentOfAsk (value: unknown): AskContent | undefined {
  return typeof value === 'object' && value !== null && askTag in value ? value as unknown as AskContent : undefined
}
