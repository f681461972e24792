import { createHash, hkdfSync } from 'node:crypto'
import { createRequestStateCodec, type ServerContext } from '@modelcontextprotocol/server'
import type { Attempt } from './attempt.ts'
import type { Answers, Json } from './tool.ts'

export type Opened = { ok: true, answers?: Answers } | { ok: false }

/** Seals what a tool remembers between an Ask and its answer, and opens it again (revision 2026-07-28, `requestState`). */
export interface RequestState {
  seal: (attempt: Attempt, state: Json) => Promise<string>
  open: (attempt: Attempt) => Promise<Opened>
}

const ttlSeconds = 600

/**
 * State is readable by the client and bound to principal, tool and arguments; altered, late or borrowed it does not open.
 * @param secret PORTCULLIS_SECRET, shared by all replicas
 */
export function createRequestState (secret: string): RequestState {
  const key = new Uint8Array(hkdfSync('sha256', secret, '', 'portcullis request state', 32))
  const codecFor = (attempt: Attempt) => createRequestStateCodec<Json>({ key, ttlSeconds, bind: () => bindingOf(attempt) })
  const noContext = {} as ServerContext // the binding comes from the attempt, in either lane

  return {
    seal: async (attempt, state) => await codecFor(attempt).mint(state, noContext),
    open: async (attempt) => {
      const responses = responsesOf(attempt.inputResponses)
      if (attempt.requestState === undefined) return { ok: true, answers: responses === undefined ? undefined : { responses } }
      try {
        const state = await codecFor(attempt).verify(attempt.requestState, noContext)
        return { ok: true, answers: { state, responses: responses ?? {} } }
      } catch {
        return { ok: false }
      }
    }
  }
}

function responsesOf (sent: unknown): Record<string, Json> | undefined {
  return typeof sent === 'object' && sent !== null && !Array.isArray(sent) ? sent as Record<string, Json> : undefined
}

function bindingOf ({ principal, name, args }: Attempt): string {
  return createHash('sha256').update(JSON.stringify([principal.kind, principal.id, name, args ?? {}], sortedKeys)).digest('base64url')
}

function sortedKeys (_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1))
}
