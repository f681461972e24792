import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { Client as ModernClient, StreamableHTTPClientTransport as ModernTransport } from '@modelcontextprotocol/client'
import { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as LegacyTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import pg from 'pg'
import t, { type Test } from 'tap'
import { startEmbeddedPostgres } from '../../src/embedded-postgres/index.ts'
import { migrate } from '../../src/migrate.ts'
import { seed } from '../../src/seed.ts'
import { allowing } from '../helpers/allowlist.ts'
import { migratedDatabase, runSql } from '../helpers/postgres.ts'
import { buildServer, startedServer, workingDirectory, type ServerProcess } from '../helpers/server-process.ts'

interface AnyClient {
  listTools: () => Promise<{ tools: Array<{ name: string }> }>
  callTool: (params: { name: string, arguments: Record<string, unknown> }, ...rest: any[]) => Promise<any>
  close: () => Promise<void>
}

const clients: Record<string, (url: string) => Promise<AnyClient>> = {
  '2026-07-28 (client 2.x)': async (url) => {
    const client = new ModernClient({ name: 'test', version: '1' }, { versionNegotiation: { mode: { pin: '2026-07-28' } } } as never)
    await client.connect(new ModernTransport(new URL('/mcp', url)))
    return client as unknown as AnyClient
  },
  '2025-11-25 (client 1.x)': async (url) => {
    const client = new LegacyClient({ name: 'test', version: '1' })
    await client.connect(new LegacyTransport(new URL('/mcp', url)))
    return client as unknown as AnyClient
  }
}

const out = buildServer(t)
const ALLOWLIST_PATH = allowing(t, 'search_records', 'get_record_detail', 'get_statistics')

t.test('on the embedded PostgreSQL, from nothing', async (t) => {
  const server = await startedServer(t, out, { cwd: workingDirectory(t), env: { ALLOWLIST_PATH } })
  const { folder, port } = await server.untilLog(({ msg }) => /embedded PostgreSQL/.test(String(msg))) as { folder: string, port: number }
  t.teardown(() => { rmSync(folder, { recursive: true, force: true }) })

  for (const [era, connect] of Object.entries(clients)) {
    t.test(`every tool answers a client of ${era}`, async (t) => { await callEveryTool(t, await connect(server.url), 10_000) })
  }

  t.test('SIGTERM stops the server and its database', async (t) => {
    server.child.kill('SIGTERM')
    t.same(await server.exit, { code: 0, signal: null })
    t.equal(existsSync(join(folder, 'data', 'postmaster.pid')), false)
    await t.rejects(runSql(`postgresql://127.0.0.1:${port}/postgres`, 'select 1'), { code: 'ECONNREFUSED' })
  })
})

t.test('on a given DATABASE_URL', async (t) => { await onDatabase(t, await migratedDatabase(t)) })

const majors = existsSync('/usr/lib/postgresql') ? readdirSync('/usr/lib/postgresql').filter((major) => existsSync(`/usr/lib/postgresql/${major}/bin/initdb`)) : []
if (majors.length === 0) t.test('on installed server programs of another major', { skip: 'leg not run: no PostgreSQL below /usr/lib/postgresql; .ci/run installs one' }, () => {})
for (const major of majors) {
  t.test(`on the installed PostgreSQL ${major}`, async (t) => {
    const cluster = await startEmbeddedPostgres({ name: `test-postgres-${major}`, binaries: `/usr/lib/postgresql/${major}/bin` })
    t.teardown(async () => { await cluster.stop() })
    const url = await cluster.database(`e2e_${process.pid}`)
    t.teardown(async () => { await runSql(cluster.adminUrl, `drop database e2e_${process.pid} with (force)`, `drop role e2e_${process.pid}`) })
    const [version] = await runSql(url, 'show server_version')
    t.match(version?.rows[0].server_version, new RegExp(`^${major}`))
    await migrate(url)
    await onDatabase(t, url)
  })
}

async function onDatabase (t: Test, url: string): Promise<void> {
  await seed(url, 50)
  const server = await startedServer(t, out, { cwd: workingDirectory(t), env: { ALLOWLIST_PATH, DATABASE_URL: url, DB_POOL_MIN: '1', DB_POOL_MAX: '2' } })

  for (const [era, connect] of Object.entries(clients)) {
    t.test(`every tool answers a client of ${era}`, async (t) => { await callEveryTool(t, await connect(server.url), 50) })

    t.test(`a client of ${era} that leaves ends its call, and the next one is served`, async (t) => {
      const cancelled = (): number => server.logs().filter(({ outcome }) => outcome === 'cancelled').length
      const before = cancelled()
      const client = await connect(server.url)
      const lock = await lockRecords(url)
      const leave = new AbortController()
      const calling = era.startsWith('2026')
        ? client.callTool({ name: 'search_records', arguments: { query: 'a' } }, { signal: leave.signal })
        : client.callTool({ name: 'search_records', arguments: { query: 'a' } }, undefined, { signal: leave.signal })
      calling.catch(() => {})
      await lock.untilAwaited()
      leave.abort()
      await t.rejects(calling)
      if (!era.startsWith('2026')) await client.close() // a legacy client's cancel is a message; the connection tells
      await server.untilLog(() => cancelled() > before)
      await lock.release()

      const next = await connect(server.url)
      t.equal((await next.callTool({ name: 'get_statistics', arguments: {} })).structuredContent.total, 50)
      await client.close()
      await next.close()
    })
  }

  t.test('SIGTERM lets the call in flight finish, and ends with 0', async (t) => {
    const client = await (clients['2026-07-28 (client 2.x)'] as (typeof clients)[string])(server.url)
    const lock = await lockRecords(url)
    const calling = client.callTool({ name: 'search_records', arguments: { query: '', limit: 1 } })
    await lock.untilAwaited()
    server.child.kill('SIGTERM')
    await untilClosing(server)
    await lock.release()

    t.equal((await calling).structuredContent.total, 50)
    t.same(await server.exit, { code: 0, signal: null })
    await client.close()
  })
}

async function callEveryTool (t: Test, client: AnyClient, records: number): Promise<void> {
  const call = async (name: string, args: Record<string, unknown>): Promise<any> => await client.callTool({ name, arguments: args })
  t.same((await client.listTools()).tools.map(({ name }) => name), ['get_pool_status', 'get_record_detail', 'get_statistics', 'search_records'])

  const page = (await call('search_records', { query: 'SAMPLE', limit: 3 })).structuredContent
  t.match(page, { total: records, limit: 3, offset: 0, query: 'SAMPLE', results: { length: 3 } })
  const detail = await call('get_record_detail', { record_id: page.results[0].id })
  t.match(detail.structuredContent, { id: page.results[0].id, name: page.results[0].name, metadata: { site: Number } })
  t.same(JSON.parse(detail.content[0].text), detail.structuredContent)
  t.equal((await call('get_statistics', { group_by: 'category' })).structuredContent.total, records)
  t.match((await call('get_pool_status', {})).structuredContent, { server: 'healthy', database: { status: 'healthy' } })

  t.match(await call('get_record_detail', { record_id: 'nope' }), { isError: true })
  t.match(await call('search_records', { query: 5 }), { isError: true, content: [{ text: /query must be a string/ }] })
  await t.rejects(call('no_such_tool', {}), { code: -32602 })
  await client.close()
}

/** Makes every read of `records` wait. */
async function lockRecords (url: string): Promise<{ untilAwaited: () => Promise<void>, release: () => Promise<void> }> {
  const holder = new pg.Client({ connectionString: url })
  await holder.connect()
  await holder.query('begin; lock table records in access exclusive mode')
  return {
    untilAwaited: async () => {
      for (const deadline = Date.now() + 20_000; Date.now() < deadline;) {
        const { rowCount } = await holder.query('select from pg_locks where not granted and relation = \'records\'::regclass')
        if ((rowCount ?? 0) > 0) return
      }
      throw new Error('no call came to wait for the lock')
    },
    release: async () => { await holder.end() }
  }
}

async function untilClosing (server: ServerProcess): Promise<void> {
  for (const deadline = Date.now() + 20_000; Date.now() < deadline;) {
    if ((await fetch(`${server.url}/readyz`)).status === 503) return
  }
  throw new Error('the server did not become unready while it drained')
}
