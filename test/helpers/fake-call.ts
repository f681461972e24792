import { createCursors } from '../../src/cursor.ts'
import type { Db, Lease } from '../../src/db/lease.ts'
import type { Call } from '../../src/mcp/tool.ts'
import type { Sql } from '../../src/sql.ts'

/** Answers each statement with the next of the given row sets, or throws it; remembers what it was asked. */
export function fakeDb (...answers: Array<unknown[] | Error>): Db & { asked: Sql[] } {
  const asked: Sql[] = []
  const next = async (sql: Sql): Promise<any[]> => {
    const answer = answers[asked.length] ?? []
    asked.push(sql)
    if (answer instanceof Error) throw answer
    return answer
  }
  return {
    asked,
    query: next,
    one: async (sql) => (await next(sql))[0],
    value: async (sql) => Object.values((await next(sql))[0] ?? {})[0] as never,
    execute: async (sql) => (await next(sql)).length
  }
}

const cursorsOf = createCursors('the secret of calls that are fakes')
const anonymous = { id: 'anonymous', kind: 'anonymous', roles: ['anonymous'] } as const

/** A lease of such a database. */
export function fakeLease (parts: Partial<Lease> = {}): Lease {
  return { db: fakeDb(), commit: async () => {}, end: async () => {}, spent: { waitMs: 0, queryMs: 0, statements: 0 }, ...parts }
}

/** A call as a handler sees it, with whatever the test cares about. */
export function fakeCall (parts: Partial<Call> = {}): Call {
  return {
    id: 'call-1',
    principal: anonymous,
    signal: new AbortController().signal,
    deadline: Date.now() + 10_000,
    log: undefined as never,
    db: fakeDb(),
    fetch: async () => { throw new Error('give this test a fetch of its own') },
    progress: () => {},
    notify: () => {},
    cursors: cursorsOf(parts.principal ?? anonymous, 'fake'),
    config: {},
    client: { capabilities: {} },
    ...parts
  }
}
