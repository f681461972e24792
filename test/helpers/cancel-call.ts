import type { Test } from 'tap'
import type { AnyClient } from './clients.ts'
import type { ServerProcess } from './server-process.ts'

/** Has a client give up a call that would take ten minutes; the line that the server logs for that call must say so. */
export async function cancelCall (t: Test, client: AnyClient, server: ServerProcess): Promise<void> {
  const before = new Set(server.logs().map(({ call }) => call))
  const leave = new AbortController()
  const calling = client.call('slow_count', { to: 2, step_ms: 600_000 }, { signal: leave.signal })
  calling.catch(() => {})
  const { call } = await server.untilLog(({ msg, call }) => msg === 'counting' && !before.has(call))

  leave.abort()
  await t.rejects(calling)
  // A legacy client's cancel is a message, which no stateless server can route to the call; the closed connection tells.
  if (client.era === 'legacy') await client.close()
  t.match(await server.untilLog((line) => line.call === call && line.msg === 'tool call'), { tool: 'slow_count', outcome: 'cancelled', era: client.era })
}
