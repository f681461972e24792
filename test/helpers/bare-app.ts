import Fastify, { LogController, type FastifyInstance, type FastifyServerOptions } from 'fastify'
import fp from 'fastify-plugin'
import type { Test } from 'tap'
import type { Environment } from '../../config/variables.ts'
import browsers from '../../plugins/browsers.ts'
import env from '../../plugins/env.ts'
import fallbacks from '../../plugins/fallbacks.ts'
import limits from '../../plugins/limits.ts'
import mcp from '../../plugins/mcp.ts'
import pipeline from '../../plugins/pipeline.ts'
import telemetry from '../../plugins/telemetry.ts'
import tools from '../../plugins/tools.ts'
import type { Policy } from '../../src/mcp/registry.ts'
import type { Principal, Tool } from '../../src/mcp/tool.ts'
import { fakeLease } from './fake-call.ts'

export type LogLine = Record<string, unknown> & { msg: string }

export interface BareOptions {
  policy: Policy
  tools: Array<Tool<any, any>>
  env?: Environment
  /** Done before a request is authenticated. */
  beforeAuthentication?: () => Promise<void>
  /** Options of the Fastify server. */
  server?: FastifyServerOptions
}

/** The principal of a request to a bare app travels in a header. */
export const principalHeader = (principal: Principal): Record<string, string> => ({ 'x-test-principal': encodeURIComponent(JSON.stringify(principal)) })

/**
 * From the route to the handlers as in the product, but with a policy, principals and tools of the test's own and
 * without a database: cheap enough to ask thousands of times.
 */
export async function bareApp (t: Test, { policy, tools: list, env: environment = {}, beforeAuthentication, server = {} }: BareOptions): Promise<{ app: FastifyInstance, takeLog: () => LogLine[] }> {
  let lines: LogLine[] = []
  const app = Fastify({ forceCloseConnections: true, ...server, logger: { level: 'debug', stream: { write: (line: string) => { lines.push(JSON.parse(line)) } } }, logController: new LogController({ disableRequestLogging: true }) })
  t.teardown(async () => { await app.close() })
  await app.register(env, { env: { LOG_LEVEL: 'debug', RATE_LIMIT_PER_MINUTE: '0', ATTEMPT_LIMIT_PER_MINUTE: '0', ...environment } })
  await app.register(telemetry)
  await app.register(browsers)
  await app.register(fp(async (fastify) => { fastify.decorate('db', { lend: () => fakeLease() } as never) }, { name: 'database' }))
  await app.register(fp(async (fastify) => {
    fastify.decorateRequest('principal', null as unknown as Principal)
    fastify.decorate('keysChanged', new Set<() => void>())
    fastify.decorate('authenticate', (request, _reply, done) => {
      request.principal = JSON.parse(decodeURIComponent(request.headers['x-test-principal'] as string))
      if (beforeAuthentication === undefined) done()
      else beforeAuthentication().then(() => { done() }, done)
    })
  }, { name: 'authentication' }))
  await app.register(fp(async (fastify) => { fastify.decorate('allowlist', policy as never) }, { name: 'allowlist' }))
  await app.register(limits)
  await app.register(tools)
  await app.register(pipeline)
  for (const tool of list) app.tools.add(tool)
  await app.register(mcp)
  await app.register(fallbacks)
  await app.ready()

  return {
    app,
    takeLog: () => {
      const taken = lines
      lines = []
      return taken
    }
  }
}
