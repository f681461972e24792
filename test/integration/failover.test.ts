import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { account, own } from '../../src/embedded-postgres/account.ts'
import { startEmbeddedPostgres } from '../../src/embedded-postgres/index.ts'
import { nativeBinaries } from '../../src/embedded-postgres/native.ts'
import { migrate } from '../../src/migrate.ts'
import { seed } from '../../src/seed.ts'
import { allowing } from '../helpers/allowlist.ts'
import { buildApp } from '../helpers/build-app.ts'
import { mcpClient } from '../helpers/mcp-client.ts'
import { runSql } from '../helpers/postgres.ts'

/** A PostgreSQL of the test's own, which can become a standby and a primary again, under the same address. */
async function fallible (t: Test): Promise<{ ownerUrl: string, serverUrl: string, demote: () => void, promote: () => void }> {
  const postgres = await startEmbeddedPostgres({ name: `failover-${randomBytes(4).toString('hex')}` })
  t.teardown(async () => {
    await postgres.stop()
    rmSync(postgres.folder, { recursive: true })
  })
  const data = join(postgres.folder, 'data')
  const control = (...args: string[]): void => {
    const { status } = spawnSync(join(nativeBinaries(postgres.folder), 'pg_ctl'), ['-D', data, '-s', '-w', '-l', join(postgres.folder, 'failover.log'), ...args], { ...account, cwd: postgres.folder, stdio: 'ignore' })
    if (status !== 0) throw new Error(`pg_ctl ${args.join(' ')} ended with ${status}`)
  }
  const ownerUrl = await postgres.database('failover')
  await migrate(ownerUrl)
  await seed(ownerUrl, 1)
  return {
    ownerUrl,
    serverUrl: await postgres.server('failover', 30_000),
    demote: () => {
      writeFileSync(join(data, 'standby.signal'), '')
      own(join(data, 'standby.signal'))
      control('-m', 'fast', 'restart')
    },
    promote: () => { control('promote') }
  }
}

t.test('while the database takes reads alone, writes are unavailable and nothing else is; once it takes them again they go on', async (t) => {
  const { ownerUrl, serverUrl, demote, promote } = await fallible(t)
  const [row] = (await runSql(ownerUrl, 'select id from records'))[0]?.rows ?? []
  const client = mcpClient(await buildApp(t, { env: { DATABASE_URL: serverUrl, MIGRATION_DATABASE_URL: ownerUrl, ALLOWLIST_PATH: allowing(t, 'get_record_detail', 'update_record_status'), DB_POOL_MAX: '2' } }))
  const outcomeOf = async (tool: string, args: object): Promise<unknown> => {
    const { result } = (await client.call(tool, { record_id: row.id, ...args })).message
    return result.isError === true ? result._meta['io.portcullis/outcome'] : 'ok'
  }
  const read = (): Promise<unknown> => outcomeOf('get_record_detail', {})
  const write = (status: string): Promise<unknown> => outcomeOf('update_record_status', { status })

  t.equal(await write('archived'), 'ok')
  demote()
  t.equal(await read(), 'ok', 'reads find the connections anew')
  for (const status of ['active', 'inactive']) t.equal(await write(status), 'unavailable')
  t.equal(await read(), 'ok')
  promote()
  t.equal(await write('active'), 'ok')
})
