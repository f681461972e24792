import t from 'tap'
import { buildApp } from '../helpers/build-app.ts'
import { mcpClient } from '../helpers/mcp-client.ts'
import { migratedDatabase, runSql } from '../helpers/postgres.ts'

// R6: page and total agree. While rows are added and removed in pairs, a page that shows them all must count them.
t.test('page and total come from one snapshot under concurrent writes', async (t) => {
  const url = await migratedDatabase(t)
  const client = mcpClient(await buildApp(t, { env: { DATABASE_URL: url } }))
  const stop = new AbortController()
  const writing = (async () => {
    for (let round = 0; !stop.signal.aborted; round++) await runSql(url, round % 2 === 0 ? 'insert into records (name) select \'pair\' from generate_series(1, 40)' : 'delete from records')
    return true
  })()

  let changes = 0
  let last = -1
  for (let page = 0; page < 1000; page++) {
    const { results, total } = (await client.call('search_records', { query: 'pair', limit: 100 })).message.result.structuredContent
    if (results.length !== total) t.fail(`page ${page} shows ${String(results.length)} of ${String(total)}`)
    if (total !== last) changes++
    last = total
  }
  stop.abort()
  await writing
  t.ok(changes > 2, `the rows changed ${changes} times under 1000 pages`)
})
