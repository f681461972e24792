import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { folderWith } from '../helpers/folder.ts'
import { migratedDatabase, runSql } from '../helpers/postgres.ts'
import { buildServer, workingDirectory } from '../helpers/server-process.ts'

t.test('npm run docs writes what is checked in, and touches neither the database of .env nor an embedded one', async (t) => {
  const out = buildServer(t)
  mkdirSync(join(out, 'scripts'))
  writeFileSync(join(out, 'scripts/docs.mjs'), readFileSync('scripts/docs.mjs', 'utf8').replaceAll('../dist/', '../'))
  const url = await migratedDatabase(t)
  await runSql(url, 'drop table records, schema_version')
  const cwd = workingDirectory(t)
  mkdirSync(join(cwd, 'docs'))
  writeFileSync(join(cwd, 'docs/observe.md'), readFileSync('docs/observe.md', 'utf8').replace(/(<!-- metrics[^>]*-->\n)[^]*?(<!-- \/metrics)/, '$1$2'))
  writeFileSync(join(cwd, '.env'), `DATABASE_URL=${url}\n`)
  const temporary = folderWith(t)
  const before = readdirSync(cwd)

  const { status, stderr } = spawnSync(process.execPath, [join(out, 'scripts/docs.mjs')], { cwd, env: { PATH: process.env.PATH, TMPDIR: temporary }, encoding: 'utf8' })

  t.equal(status, 0, stderr)
  for (const path of ['docs/configuration.md', '.env.example', 'docs/observe.md']) t.equal(readFileSync(join(cwd, path), 'utf8'), readFileSync(path, 'utf8'), path)
  t.same(readdirSync(cwd), [...before, '.env.example'].sort(), 'no folder of an embedded database here')
  t.same(readdirSync(temporary), [], 'nor there')
  await t.rejects(runSql(url, 'select from schema_version'), 'nothing was migrated')
})
