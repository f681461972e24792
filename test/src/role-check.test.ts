import { rmSync } from 'node:fs'
import t from 'tap'
import { startEmbeddedPostgres } from '../../src/embedded-postgres/index.ts'
import { migrate } from '../../src/migrate.ts'
import { checkRole } from '../../src/role-check.ts'
import { runSql } from '../helpers/postgres.ts'

const cluster = await startEmbeddedPostgres({ name: `role-check-test-${process.pid}` })
t.teardown(async () => {
  await cluster.stop()
  rmSync(cluster.folder, { recursive: true, force: true })
})
const owner = await cluster.database('shop')
const server = await cluster.server('shop', 5_000)
await migrate(owner)
const admin = Object.assign(new URL(cluster.adminUrl), { pathname: 'shop' }).href
await runSql(admin, 'create role odd login password \'p\'')
const odd = Object.assign(new URL(admin), { username: 'odd', password: 'p' }).href

/** What checkRole said and logged. */
async function check (url: string, { isProduction = true, variable = 'DATABASE_URL' } = {}): Promise<{ setsDefaults: boolean, logged: unknown[] }> {
  const logged: unknown[] = []
  const log = { info: (details: object, text: string) => { logged.push({ ...details, text }) }, warn: (details: object, text: string) => { logged.push({ ...details, text }) } }
  return { setsDefaults: await checkRole({ variable, url }, { isProduction, callTimeoutMs: 5_000, log: log as never }), logged }
}

t.test('a role that was prepared passes in silence', async (t) => {
  t.same(await check(server), { setsDefaults: false, logged: [] })
})

t.test('production refuses a superuser, and one whose reads could write or never end', async (t) => {
  await t.rejects(check(admin), { code: 'MCP_DATABASE_ROLE_UNFIT', message: /^the role "postgres" of DATABASE_URL is a superuser, .*; create a role of its own with: create role .* run portcullis migrate with MIGRATION_DATABASE_URL of the owner, or: alter role "portcullis" in database "shop" set default_transaction_read_only = 'on'; / })
  await t.rejects(check(owner), { message: 'the role "shop" of DATABASE_URL lacks the defaults default_transaction_read_only and statement_timeout; run portcullis migrate with MIGRATION_DATABASE_URL of the owner, or: alter role "shop" in database "shop" set default_transaction_read_only = \'on\'; alter role "shop" in database "shop" set statement_timeout = \'5000ms\'' })
})

t.test('what the refusal says is what helps, for another database too, which is not migrated', async (t) => {
  const variable = 'WAREHOUSE_DATABASE_URL'
  const first = await check(odd, { variable }).catch((error: unknown) => error) as Error
  t.match(first.message, /^the role "odd" of WAREHOUSE_DATABASE_URL lacks the defaults .*; run: alter role/)
  t.equal(first.stack, first.message)
  await runSql(admin, ...first.message.replace(/^.*; run: /, '').split('; '))
  t.match(await check(odd, { variable }), { setsDefaults: false })

  await runSql(admin, 'alter role odd in database shop set statement_timeout = 0')
  await t.rejects(check(odd, { variable }), { message: /^the role "odd" of WAREHOUSE_DATABASE_URL lacks the default statement_timeout; run: alter role "odd" in database "shop" set statement_timeout = '5000ms'$/ })
})

t.test('development sets what is missing on each connection, and says so', async (t) => {
  t.match(await check(owner, { isProduction: false }), { setsDefaults: true, logged: [{ variable: 'DATABASE_URL', role: 'shop', missing: ['default_transaction_read_only', 'statement_timeout'], text: /each connection sets them/ }] })
  t.match(await check(admin, { isProduction: false }), { setsDefaults: true })
})

t.test('a role that may not read is warned of', async (t) => {
  await runSql(admin, 'alter role odd in database shop set statement_timeout = \'5s\'')
  t.match(await check(odd), { setsDefaults: false, logged: [{ role: 'odd', text: /may not read the table records/ }] })
})
