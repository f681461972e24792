import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startEmbeddedPostgres } from '../../src/embedded-postgres/index.ts'
import { exclusively } from '../../src/embedded-postgres/users.ts'
import { migrate } from '../../src/migrate.ts'
import { runSql } from '../helpers/postgres.ts'

const name = `lock-test-${process.pid}`

t.test('an embedded PostgreSQL', async (t) => {
  const first = await startEmbeddedPostgres({ name })
  t.teardown(() => { rmSync(first.folder, { recursive: true, force: true }) })

  t.test('is a real one, on loopback, behind a password, with databases of ordinary roles', async (t) => {
    const url = await first.database('some_db')
    t.equal(await first.database('some_db'), url, 'made once')
    const [version, role] = await runSql(url, 'show server_version_num', 'select rolsuper, current_user as name from pg_roles where rolname = current_user')
    t.match(version?.rows[0].server_version_num, /^18/)
    t.same(role?.rows[0], { rolsuper: false, name: 'some_db' })
    const guess = new URL(url)
    guess.password = 'guess'
    await t.rejects(runSql(guess.href, 'select 1'), { code: '28P01' })
    await t.rejects(first.database('x"; drop role postgres'), TypeError)
  })

  t.test('serves from a database by another role than its owner, with the defaults of production', async (t) => {
    await first.database('old_db') // as a version without that role left it
    const url = await first.server('old_db', 5_000)
    t.equal(await first.server('old_db', 5_000), url, 'made once')
    const [role] = await runSql(url, 'select rolsuper, rolcreaterole, current_user as name, current_setting(\'default_transaction_read_only\') as reads_only, current_setting(\'statement_timeout\') as timeout from pg_roles where rolname = current_user')
    t.same(role?.rows[0], { rolsuper: false, rolcreaterole: false, name: 'old_db_server', reads_only: 'on', timeout: '5s' })
    t.match(await migrate(await first.database('old_db')), { warnings: { length: 0 } })
    t.equal((await runSql(url, 'select from records'))[0]?.rowCount, 0)
  })

  t.test('is shared by all that start it, and stopped by the last', async (t) => {
    const second = await startEmbeddedPostgres({ name })
    t.equal(second.port, first.port)
    await first.stop()
    t.equal((await runSql(second.adminUrl, 'select 1'))[0]?.rowCount, 1)
    await second.stop()
    await t.rejects(runSql(second.adminUrl, 'select 1'))
  })

  t.test('starts again over the locks that dead processes left, empty ones included', async (t) => {
    for (const left of ['', '999999999', String(process.pid), 'nonsense']) {
      writeFileSync(join(first.folder, 'lock'), left)
      const again = await startEmbeddedPostgres({ name })
      t.equal((await runSql(again.adminUrl, 'select 1'))[0]?.rowCount, 1, `lock file "${left}"`)
      await again.stop()
    }
  })

  t.test('says what to delete when its password is gone', async (t) => {
    rmSync(join(first.folder, 'password'))
    await t.rejects(startEmbeddedPostgres({ name }), { code: 'MCP_EMBEDDED_UNAVAILABLE', message: /delete the folder .*lock-test/ })
  })
})

t.test('what runs exclusively runs one at a time', async (t) => {
  const folder = t.testdir()
  let inside = 0
  let most = 0
  await Promise.all(Array.from({ length: 20 }, async () => {
    await exclusively(folder, async () => {
      most = Math.max(most, ++inside)
      await new Promise((resolve) => { setImmediate(resolve) })
      inside--
    })
  }))
  t.equal(most, 1)
})
