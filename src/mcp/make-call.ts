import type { FastifyBaseLogger } from 'fastify'
import type { createCursors } from '../cursor.ts'
import type { Lease } from '../db/lease.ts'
import type { Upstream } from '../upstream.ts'
import type { Attempt } from './attempt.ts'
import type { Answers, Call, Notify } from './tool.ts'

export interface CallParts { lease: Lease, upstream: Upstream, cursorsOf: ReturnType<typeof createCursors>, log: FastifyBaseLogger, answers?: Answers }

/** What a handler gets: the attempt as seen by a tool author. */
export function makeCall (attempt: Attempt, { lease, upstream, cursorsOf, log, answers }: CallParts): Call {
  const notify: Notify = (notification) => { if (!attempt.signal.aborted) attempt.notify?.(notification) }
  let reported = -Infinity
  let ownLog: FastifyBaseLogger | undefined
  return {
    id: attempt.id,
    principal: attempt.principal,
    signal: attempt.signal,
    deadline: attempt.deadline,
    get log () { return (ownLog ??= log.child({ call: attempt.id, tool: attempt.tool?.name })) },
    db: lease.db,
    fetch: upstream.fetch,
    notify,
    progress: (done, total, message) => {
      if (!(done > reported)) return // the specification wants values that increase
      reported = done
      notify({ method: 'notifications/progress', params: { progress: done, total, message } })
    },
    cursors: cursorsOf(attempt.principal, attempt.name),
    config: attempt.tool?.settings ?? {},
    client: attempt.client,
    answers
  }
}
