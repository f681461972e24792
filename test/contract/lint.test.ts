/* eslint-disable no-template-curly-in-string */
import { ESLint } from 'eslint'
import t from 'tap'

const eslint = new ESLint()

async function faultsIn (code: string, filePath: string): Promise<string[]> {
  const [result] = await eslint.lintText(`${code}\n`, { filePath })
  return (result?.messages ?? []).flatMap(({ ruleId }) => ruleId?.startsWith('no-restricted') === true || ruleId === 'n/no-process-env' ? [ruleId] : [])
}

t.test('a tool that builds SQL from text does not pass the linter', async (t) => {
  const bad = [
    'export const f = async (db, id) => await db.query(`select * from records where id = ${id}`)',
    'export const f = async (db, id) => await db.one(\'select * from records where id = \' + id)',
    'export const f = async (db) => await db.value(\'select 1\')',
    'export const f = (id) => `delete from records where id = ${id}`',
    'export const f = (table) => \'select * from \' + table',
    'import { Sql } from \'../src/sql.ts\'\n\nexport const f = (text) => new Sql([text], [])'
  ]
  for (const code of bad) t.same([...new Set(await faultsIn(code, 'tools/some-tool.ts'))], ['no-restricted-syntax'], code)
  t.same(await faultsIn('import { sql } from \'../src/sql.ts\'\n\nexport const f = async (db, id) => await db.one(sql`select * from records where id = ${id}`)', 'tools/some-tool.ts'), [])
})

t.test('a tool imports no plugin and no driver, src no plugin, and only the loader reads the environment', async (t) => {
  t.same(await faultsIn('import pg from \'pg\'\n\nexport default pg', 'tools/some-tool.ts'), ['no-restricted-imports'])
  t.same(await faultsIn('import env from \'../plugins/env.ts\'\n\nexport default env', 'tools/some-tool.ts'), ['no-restricted-imports'])
  t.same(await faultsIn('import fp from \'fastify-plugin\'\n\nexport default fp', 'src/some.ts'), ['no-restricted-imports'])
  t.same(await faultsIn('export const home = process.env.HOME', 'plugins/some.ts'), ['n/no-process-env'])
})
