import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { allowlistFile } from './allowlist.ts'
import { modernMeta, rpcRequest } from './mcp-client.ts'
import { migratedDatabase } from './postgres.ts'
import { buildServer, startedServer, workingDirectory, type ServerProcess } from './server-process.ts'
import { addTool } from './transpile.ts'

const key = 'a-key-of-this-test-and-of-nobody-else'
const policy = `
allowed_tools: [search_records, get_statistics, end_as_told, slow_count]
limits:
  attemptsPerMinute: 0
  perMinute: 0
  tools: { get_statistics: { perMinute: 1 } }
`

export interface Exercised {
  server: ServerProcess
  /** Calls that end in every way that can be had from outside, and requests that are refused. Resolves when all are answered. */
  round: () => Promise<void>
}

/** A server with little of everything, so that a few calls bring it to its bounds. */
export async function exercisedServer (t: Test, env: Record<string, string>): Promise<Exercised> {
  const out = buildServer(t)
  for (const tool of ['end-as-told', 'slow-count']) addTool(out, join('test/fixtures/tools', `${tool}.ts`))
  const allowlist = allowlistFile(t, policy)
  const server = await startedServer(t, out, {
    cwd: workingDirectory(t),
    env: { DATABASE_URL: await migratedDatabase(t), API_KEY: key, ALLOWLIST_PATH: allowlist, DB_POOL_MIN: '1', DB_POOL_MAX: '2', DB_ACQUIRE_TIMEOUT_MS: '1000', CALL_CONCURRENCY: '8', CALL_QUEUE: '4', ...env }
  })

  async function ask (method: string, params: object, { credential = key, signal }: { credential?: string, signal?: AbortSignal } = {}): Promise<number> {
    const { headers: { host, ...headers }, body } = rpcRequest(method, { ...params, _meta: { ...modernMeta, 'io.modelcontextprotocol/clientCapabilities': { roots: {} } } })
    const answer = await fetch(`${server.url}/mcp`, { method: 'POST', headers: { ...headers, authorization: `Bearer ${credential}` }, body: JSON.stringify(body), signal })
    await answer.text()
    return answer.status
  }
  const call = async (name: string, args: object = {}): Promise<number> => await ask('tools/call', { name, arguments: args })

  async function cancelled (): Promise<void> {
    const before = server.logs().filter(({ msg }) => msg === 'counting').length
    const leave = new AbortController()
    const calling = ask('tools/call', { name: 'slow_count', arguments: { to: 2, step_ms: 600_000 } }, { signal: leave.signal }).catch(() => {})
    await server.untilLog(() => server.logs().filter(({ msg }) => msg === 'counting').length > before)
    leave.abort()
    await calling
  }

  writeFileSync(allowlist, `${policy}# changed\n`)
  await server.untilLog(({ msg }) => msg === 'allowlist reloaded')
  writeFileSync(allowlist, 'allowed_tools: nonsense')
  await server.untilLog(({ msg }) => /the last good one stays/.test(String(msg)))

  return {
    server,
    round: async () => {
      for (const how of ['ok', 'tool_error', 'error', 'timeout', 'withheld', 'input_required', 'wrong_query']) await call('end_as_told', { how })
      await call('search_records', { query: 'sample' })
      await call('search_records', { query: 5 })
      for (const name of ['get_statistics', 'update_record_status', 'no_such_tool']) await call(name)
      await ask('tools/list', {})
      await ask('tools/list', {}, { credential: 'a-key-that-opens-nothing-at-all' })
      await Promise.all(Array.from({ length: 24 }, async () => await call('end_as_told', { how: 'slow_query' })))
      await cancelled()
    }
  }
}
