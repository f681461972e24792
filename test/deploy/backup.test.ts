import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startEmbeddedPostgres } from '../../src/embedded-postgres/index.ts'
import { migrate } from '../../src/migrate.ts'
import { seed } from '../../src/seed.ts'
import { prepareServerRole } from '../../src/server-role.ts'
import { whyMissing } from '../helpers/deploy-tools.ts'
import { folderWith } from '../helpers/folder.ts'
import { runSql } from '../helpers/postgres.ts'

const programs = '/usr/lib/postgresql'
const bin = existsSync(programs) ? readdirSync(programs).map((major) => join(programs, major, 'bin')).find((folder) => existsSync(join(folder, 'postgres')) && existsSync(join(folder, 'pg_restore'))) : undefined

t.test('a dump restores into an empty database; the migration then gives the server its role back', { skip: whyMissing(bin !== undefined, 'no PostgreSQL with pg_dump is installed') }, async (t) => {
  const cluster = await startEmbeddedPostgres({ name: `backup-${process.pid}`, binaries: bin })
  t.teardown(async () => {
    await cluster.stop()
    rmSync(cluster.folder, { recursive: true })
  })
  const urlOf = (database: string, role?: string): string => Object.assign(new URL(cluster.adminUrl), { pathname: database, ...role === undefined ? {} : { username: role, password: 'p' } }).href
  const run = (program: string, ...args: string[]): void => { execFileSync(join(bin as string, program), args, { stdio: ['ignore', 'ignore', 'inherit'] }) }
  await runSql(cluster.adminUrl, 'create role portcullis_owner login createrole password \'p\'', 'create role portcullis login password \'p\'', 'create database before owner portcullis_owner', 'create database after owner portcullis_owner')
  await migrate(urlOf('before', 'portcullis_owner'))
  await prepareServerRole(urlOf('before', 'portcullis_owner'), 'portcullis', 30_000)
  await seed(urlOf('before', 'portcullis_owner'), 100)

  const dump = join(folderWith(t), 'portcullis.dump')
  run('pg_dump', '--format=custom', `--file=${dump}`, urlOf('before'))
  run('pg_restore', '--exit-on-error', `--dbname=${urlOf('after')}`, dump)
  const readOnly = async (): Promise<unknown> => (await runSql(urlOf('after', 'portcullis'), 'show default_transaction_read_only'))[0]?.rows
  t.match(await readOnly(), [{ default_transaction_read_only: 'off' }], 'the defaults of a role are not in a dump')
  await migrate(urlOf('after', 'portcullis_owner'))
  await prepareServerRole(urlOf('after', 'portcullis_owner'), 'portcullis', 30_000)
  t.match(await readOnly(), [{ default_transaction_read_only: 'on' }])
  t.match((await runSql(urlOf('after', 'portcullis'), 'select count(*)::int as records from records'))[0]?.rows, [{ records: 100 }])
})
