import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import t, { type Test } from 'tap'
import { startEmbeddedPostgres } from '../../src/embedded-postgres/index.ts'
import { migrate } from '../../src/migrate.ts'
import { seed } from '../../src/seed.ts'
import { allowing } from '../helpers/allowlist.ts'
import { callEveryTool } from '../helpers/call-every-tool.ts'
import { clientOfEra, type Connect } from '../helpers/clients.ts'
import { migratedDatabase, runSql } from '../helpers/postgres.ts'
import { buildServer, startedServer, workingDirectory, type ServerProcess } from '../helpers/server-process.ts'

const out = buildServer(t)
const ALLOWLIST_PATH = allowing(t, 'search_records', 'get_record_detail', 'get_statistics')

t.test('on the embedded PostgreSQL, from nothing', async (t) => {
  const server = await startedServer(t, out, { cwd: workingDirectory(t), env: { ALLOWLIST_PATH } })
  const { folder, port } = await server.untilLog(({ msg }) => /embedded PostgreSQL/.test(String(msg))) as { folder: string, port: number }
  t.teardown(() => { rmSync(folder, { recursive: true, force: true }) })

  for (const [era, connect] of Object.entries(clientOfEra)) {
    t.test(`every tool answers a client of ${era}`, async (t) => { await callAll(t, connect, server.url, 10_000) })
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
    t.teardown(async () => { await runSql(cluster.adminUrl, `drop database e2e_${process.pid} with (force)`, `drop role e2e_${process.pid}, e2e_${process.pid}_server`) })
    const [version] = await runSql(url, 'show server_version')
    t.match(version?.rows[0].server_version, new RegExp(`^${major}`))
    await migrate(url)
    await onDatabase(t, url, { DATABASE_URL: await cluster.server(`e2e_${process.pid}`, 30_000), MIGRATION_DATABASE_URL: url })
  })
}

async function onDatabase (t: Test, url: string, database: Record<string, string> = { DATABASE_URL: url }): Promise<void> {
  await seed(url, 50)
  const server = await startedServer(t, out, { cwd: workingDirectory(t), env: { ALLOWLIST_PATH, ...database, DB_POOL_MIN: '1', DB_POOL_MAX: '2' } })

  for (const [era, connect] of Object.entries(clientOfEra)) {
    t.test(`every tool answers a client of ${era}`, async (t) => { await callAll(t, connect, server.url, 50) })

    t.test(`a client of ${era} that leaves ends its call, and the next one is served`, async (t) => {
      const cancelled = (): number => server.logs().filter(({ outcome }) => outcome === 'cancelled').length
      const before = cancelled()
      const client = await connect(server.url)
      const lock = await lockRecords(url)
      const leave = new AbortController()
      const calling = client.call('search_records', { query: 'a' }, { signal: leave.signal })
      calling.catch(() => {})
      await lock.untilAwaited()
      leave.abort()
      await t.rejects(calling)
      if (client.era === 'legacy') await client.close() // a legacy client's cancel is a message; the connection tells
      await server.untilLog(() => cancelled() > before)
      await lock.release()

      const next = await connect(server.url)
      t.equal((await next.call('get_statistics', {})).structuredContent.total, 50)
      await client.close()
      await next.close()
    })
  }

  t.test('SIGTERM lets the call in flight finish, and ends with 0', async (t) => {
    const client = await clientOfEra['2026-07-28 (client 2.x)'](server.url)
    const lock = await lockRecords(url)
    const calling = client.call('search_records', { query: '', limit: 1 })
    await lock.untilAwaited()
    server.child.kill('SIGTERM')
    await untilClosing(server)
    t.match(await server.untilLog(({ msg }) => /^stopping/.test(String(msg))), { signal: 'SIGTERM', calls: 1 })
    await lock.release()

    t.equal((await calling).structuredContent.total, 50)
    t.same(await server.exit, { code: 0, signal: null })
    await client.close()
  })
}

async function callAll (t: Test, connect: Connect, url: string, records: number): Promise<void> {
  const client = await connect(url)
  await callEveryTool(t, client, { records })
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
    const answer = await fetch(`${server.url}/readyz`).catch(() => undefined) // it listens no more
    if (answer?.status !== 200) return
  }
  throw new Error('the server did not become unready while it drained')
}
