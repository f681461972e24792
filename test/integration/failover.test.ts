import t from 'tap'
import { migrate } from '../../src/migrate.ts'
import { seed } from '../../src/seed.ts'
import { allowing } from '../helpers/allowlist.ts'
import { buildApp } from '../helpers/build-app.ts'
import { mcpClient } from '../helpers/mcp-client.ts'
import { ownCluster } from '../helpers/own-cluster.ts'
import { runSql } from '../helpers/postgres.ts'

t.test('while the database takes reads alone, writes are unavailable and nothing else is; once it takes them again they go on', async (t) => {
  const { postgres, write: writeFile, control } = await ownCluster(t)
  const ownerUrl = await postgres.database('failover')
  await migrate(ownerUrl)
  await seed(ownerUrl, 1)
  const serverUrl = await postgres.server('failover', 30_000)
  const [row] = (await runSql(ownerUrl, 'select id from records'))[0]?.rows ?? []
  const client = mcpClient(await buildApp(t, { env: { DATABASE_URL: serverUrl, MIGRATION_DATABASE_URL: ownerUrl, ALLOWLIST_PATH: allowing(t, 'get_record_detail', 'update_record_status'), DB_POOL_MAX: '2' } }))
  const outcomeOf = async (tool: string, args: object): Promise<unknown> => {
    const { result } = (await client.call(tool, { record_id: row.id, ...args })).message
    return result.isError === true ? result._meta['io.portcullis/outcome'] : 'ok'
  }
  const read = (): Promise<unknown> => outcomeOf('get_record_detail', {})
  const write = (status: string): Promise<unknown> => outcomeOf('update_record_status', { status })

  t.equal(await write('archived'), 'ok')
  writeFile('standby.signal', '')
  control('-m', 'fast', 'restart')
  t.equal(await read(), 'ok', 'reads find the connections anew')
  for (const status of ['active', 'inactive']) t.equal(await write(status), 'unavailable')
  t.equal(await read(), 'ok')
  control('promote')
  t.equal(await write('active'), 'ok')
})
