import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import t from 'tap'
import { secretsCommand } from '../../src/cli/secrets.ts'
import { account, own } from '../../src/embedded-postgres/account.ts'
import { startEmbeddedPostgres } from '../../src/embedded-postgres/index.ts'
import { migrate } from '../../src/migrate.ts'
import { prepareServerRole } from '../../src/server-role.ts'
import { folderWith } from '../helpers/folder.ts'
import { whyMissing } from '../helpers/deploy-tools.ts'
import { pgbouncerProgram } from '../helpers/pgbouncer.ts'
import { runSql } from '../helpers/postgres.ts'
import { freePort } from '../helpers/server-process.ts'

const has = (program: string, option: string): boolean => spawnSync(program, [option]).error === undefined
const whyNoPsql = whyMissing(has('psql', '--version'), 'psql is not installed')
const whyNoHaproxy = whyMissing(has('haproxy', '-v'), 'haproxy is not installed')
const bouncer = pgbouncerProgram(existsSync)

t.test('the roles that compose makes migrate and serve, by the passwords of secrets init, through PgBouncer too', { skip: whyNoPsql }, async (t) => {
  const cluster = await startEmbeddedPostgres({ name: `compose-${process.pid}` }) // roles belong to a whole cluster
  t.teardown(async () => {
    await cluster.stop()
    rmSync(cluster.folder, { recursive: true })
  })
  const folder = folderWith(t)
  const secrets = join(folder, 'secrets')
  mkdirSync(secrets)
  const log = t.capture(console, 'log', () => {})
  await secretsCommand(['init', '--dir', secrets, '--database', `127.0.0.1:${cluster.port}/portcullis`, '--pooler', `127.0.0.1:${await freePort()}`])
  log.restore()
  const secret = (name: string): string => readFileSync(join(secrets, name), 'utf8').trim()
  const [owner, server, pooled] = [secret('MIGRATION_DATABASE_URL'), secret('DATABASE_URL'), secret('POOLED_DATABASE_URL')] as const

  await runSql(cluster.adminUrl, 'create database portcullis')
  const { username, password } = new URL(cluster.adminUrl)
  execFileSync('compose/create-roles.sh', { env: { PATH: process.env.PATH, PGHOST: '127.0.0.1', PGPORT: String(cluster.port), PGPASSWORD: password, POSTGRES_USER: username, POSTGRES_DB: 'portcullis', SECRETS: secrets } })

  await migrate(owner)
  await prepareServerRole(owner, 'portcullis', 30_000)
  t.match((await runSql(server, 'show default_transaction_read_only', 'select from records')).map(({ rows }) => rows), [[{ default_transaction_read_only: 'on' }], []])
  await t.rejects(runSql(server, 'begin read write', 'create table mine (id int)'), { code: '42501' })
  t.match((await runSql(cluster.adminUrl, 'select rolname from pg_roles where rolsuper and rolname like \'portcullis%\''))[0]?.rows, [])
  t.throws(() => execFileSync('compose/create-roles.sh', { stdio: 'ignore', env: { PATH: process.env.PATH, PGHOST: '127.0.0.1', PGPORT: String(cluster.port), PGPASSWORD: password, POSTGRES_DB: 'portcullis', SECRETS: folder } }), 'without passwords it fails')

  await t.test('PgBouncer', { skip: whyMissing(bouncer !== undefined, 'pgbouncer is not installed') }, async (t) => {
    const users = join(folder, 'users')
    const ini = join(folder, 'pgbouncer.ini')
    writeFileSync(users, secret('PGBOUNCER_USERS'))
    writeFileSync(ini, readFileSync('compose/pgbouncer.ini', 'utf8').replace('host=postgres port=5432', `host=127.0.0.1 port=${cluster.port}`).replace('listen_port = 6432', `listen_port = ${new URL(pooled).port}`).replace('/secrets/PGBOUNCER_USERS', users).replace('0.0.0.0', '127.0.0.1').replace(/^max_prepared_statements.*$/m, '')) // that of Debian is older than this setting
    chmodSync(folder, 0o755)
    for (const path of [users, ini]) own(path)
    const child = spawn(bouncer as string, [ini], { ...account, cwd: '/', stdio: ['ignore', 'ignore', 'pipe'] })
    const exit = once(child, 'exit')
    t.teardown(async () => {
      child.kill('SIGQUIT')
      await exit
    })
    t.match(await throughPooler(pooled), [{ current_user: 'portcullis', default_transaction_read_only: 'on' }])
    await t.rejects(throughPooler(pooled.replace(secret('SERVER_PASSWORD'), 'wrong')), /authentication/)
  })
})

t.test('haproxy takes its configuration', { skip: whyNoHaproxy }, async (t) => {
  const check = (path: string): { status: number | null, stderr: string } => spawnSync('haproxy', ['-c', '-f', path], { encoding: 'utf8' })
  t.match(check('compose/haproxy.cfg'), { status: 0 })
  const broken = join(folderWith(t, { 'haproxy.cfg': readFileSync('compose/haproxy.cfg', 'utf8').replace('balance roundrobin', 'balance robin') }), 'haproxy.cfg')
  t.match(check(broken), { status: 1, stderr: /balance/ })
})

/** Asks as soon as somebody listens. */
async function throughPooler (url: string): Promise<unknown[]> {
  for (let tries = 0; ; tries++) {
    const client = new pg.Client({ connectionString: url })
    client.on('error', () => {})
    try {
      await client.connect()
      return (await client.query('select current_user, current_setting(\'default_transaction_read_only\') as default_transaction_read_only')).rows
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ECONNREFUSED' || tries > 500) throw error
      await delay(20)
    } finally {
      await client.end().catch(() => {})
    }
  }
}
