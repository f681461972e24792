import { EventEmitter } from 'node:events'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { Type } from 'typebox'
import { DatabaseUnavailable } from '../../src/errors.ts'
import { ask } from '../../src/mcp/ask.ts'
import { ToolError } from '../../src/mcp/tool.ts'
import { foreign, sql } from '../../src/sql.ts'
import { allowing } from './allowlist.ts'
import { buildApp } from './build-app.ts'
import { mcpClient } from './mcp-client.ts'
import { collecting, type Collected } from './telemetry.ts'

/** Stands in arguments, and may be seen nowhere in telemetry. */
export const canary = 'canary-7f3a'
const input = Type.Object({ text: Type.Optional(Type.String()) })
const output = Type.Object({ text: Type.String() })

type Handler = (args: { text?: string }, call: any) => Promise<any>

/** Tells of each call of `test_slow` that runs. */
export const running = new EventEmitter()

/** One tool for each way in which a call can end. */
const handlers: Record<string, Handler> = {
  test_ok: async ({ text = '' }) => ({ text }),
  test_asks: async () => ask({ sure: { method: 'elicitation/create', params: { mode: 'form', message: 'Sure?', requestedSchema: { type: 'object', properties: {} } } } }),
  test_refuses: async ({ text }) => { throw new ToolError('not_found', `nothing like ${text}`) },
  test_fails: async ({ text }) => { throw new Error(text) },
  test_no_database: async () => { throw new DatabaseUnavailable() },
  test_slow: async (_args, { signal }) => await new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => { reject(signal.reason) })
    running.emit('call')
  }),
  test_large: async () => ({ text: 'x'.repeat(5_000) }),
  test_once: async () => ({ text: '' }),
  test_denied: async () => ({ text: '' }),
  test_asks_database: async ({ text }, { db }) => ({ text: await db.value(sql`select ${text}::text`) }),
  test_breaks_sql: async ({ text }, { db }) => await db.value(sql`select ${text}::int`),
  test_foreign: async ({ text }, { db }) => ({ text: await db.value(foreign(`select '${text}'`)) })
}

export interface Observed {
  app: FastifyInstance
  client: ReturnType<typeof mcpClient>
  collected: Collected
  log: Array<Record<string, unknown>>
}

/** The whole server with a tool for each outcome, and what its telemetry collects. `slowMs`: the time limit of `test_slow`. */
export async function observedApp (t: Test, env: Record<string, string> = {}, slowMs = 20): Promise<Observed> {
  const collected = collecting(t)
  const log: Array<Record<string, unknown>> = []
  const app = await buildApp(t, {
    env: { OTEL_ENABLED: 'true', RESULT_LIMIT_BYTES: '4000', ALLOWLIST_PATH: allowing(t, ...Object.keys(handlers).filter((name) => name !== 'test_denied')), ...env },
    onLog: (line) => { log.push(line) },
    extra: async (fastify) => {
      for (const [name, handler] of Object.entries(handlers)) {
        const limits = name === 'test_slow' ? { timeoutMs: slowMs } : name === 'test_once' ? { perMinute: 1 } : {}
        fastify.tools.add({ name, description: name, effect: 'read', input, output, limits, foreignSql: name === 'test_foreign', handler: handler as never })
      }
    }
  })
  return { app, client: mcpClient(app), collected, log }
}
