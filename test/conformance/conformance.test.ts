import type { AddressInfo } from 'node:net'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import { createExtensions } from '../../src/mcp/extensions.ts'
import { createRegistry } from '../../src/mcp/registry.ts'
import { allowing } from '../helpers/allowlist.ts'
import { buildApp } from '../helpers/build-app.ts'
import { exceptionsOf, judge, scoredScenarios, type Revision } from '../helpers/conformance.ts'
import { migratedDatabase } from '../helpers/postgres.ts'
import { buildServer, startedServer, workingDirectory } from '../helpers/server-process.ts'
import fixtures from './fixtures/index.ts'

/** Run and reported by the suite, never counted by it. */
const unscored: Record<Revision, string[]> = {
  '2026-07-28': ['json-schema-2020-12', 'http-header-validation', 'http-custom-header-server-validation'],
  '2025-11-25': ['json-schema-2020-12']
}

/** What needs no fixture, or only for some of its checks. */
const generic: Record<Revision, string[]> = {
  '2026-07-28': ['server-stateless', 'tools-list', 'server-sse-multiple-streams', 'dns-rebinding-protection', 'http-header-validation', 'input-required-result-unsupported-methods', 'sep-2164-resource-not-found'],
  '2025-11-25': ['server-initialize', 'ping', 'tools-list', 'dns-rebinding-protection']
}

t.test('a server with the fixtures passes the official suite', async (t) => {
  const app = await buildApp(t, {
    env: { ALLOWLIST_PATH: allowing(t, ...(await fixtureTools(t))) },
    extra: async (fastify) => { await fastify.register(fixtures) }
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const url = `http://localhost:${(app.server.address() as AddressInfo).port}/mcp`

  for (const [revision, count] of [['2026-07-28', 37], ['2025-11-25', 30]] as const) {
    t.test(`every scored scenario of ${revision}, but for the exceptions`, async (t) => {
      const { passed, failed, warned, faults } = await judge(url, revision)
      const scored = scoredScenarios(revision)
      const ofScored = (names: string[]): string[] => names.filter((name) => scored.includes(name))

      t.equal(scored.length, count)
      const { failed: mayFail, warned: mayWarn } = exceptionsOf(revision)
      t.same(ofScored(failed), mayFail, JSON.stringify(faults))
      t.same(ofScored(warned), mayWarn)
      t.equal(ofScored(passed).length, count - mayFail.length - mayWarn.length)
      for (const name of unscored[revision]) t.ok(passed.includes(name), `${name} (unscored)`)
      console.log(`# ${revision}: ${count - ofScored(failed).length}/${count} scored scenarios passed`)
    })
  }
})

t.test('the server as shipped passes what needs no fixture', async (t) => {
  const server = await startedServer(t, buildServer(t), { cwd: workingDirectory(t), env: { DATABASE_URL: await migratedDatabase(t) } })
  const url = `http://localhost:${new URL(server.url).port}/mcp`

  const modern = await judge(url, '2026-07-28', generic['2026-07-28'])
  const { warned, failedChecks } = exceptionsOf('as shipped')
  t.same(Object.keys(modern.faults).sort(), failedChecks, JSON.stringify(modern.faults))
  t.same(modern.failed, ['server-stateless'], 'for those checks alone')
  t.same(modern.warned, warned)
  t.same(modern.passed, generic['2026-07-28'].filter((name) => ![...warned, 'server-stateless'].includes(name)).sort())

  const legacy = await judge(url, '2025-11-25', generic['2025-11-25'])
  t.same(legacy.passed, [...generic['2025-11-25']].sort(), JSON.stringify(legacy.faults))
})

t.test('production refuses the fixtures', async (t) => {
  const app = Fastify()
  t.teardown(async () => { await app.close() })
  app.decorate('config', { PORTCULLIS_ENV: 'production' } as never)
  await t.rejects(async () => { await app.register(fixtures) }, { message: /for tests/ })
})

async function fixtureTools (t: Test): Promise<string[]> {
  const app = Fastify()
  t.teardown(async () => { await app.close() })
  app.decorate('tools', createRegistry())
  app.decorate('mcp', createExtensions())
  app.decorate('config', { PORTCULLIS_ENV: 'development' } as never)
  await app.register(fixtures)
  return app.tools.list().map(({ name }) => name)
}
