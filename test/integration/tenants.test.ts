import { join } from 'node:path'
import t from 'tap'
import { Type } from 'typebox'
import { newKey } from '../../src/api-keys.ts'
import { sql } from '../../src/sql.ts'
import { allowlistFile } from '../helpers/allowlist.ts'
import { buildApp } from '../helpers/build-app.ts'
import { docBlocks } from '../helpers/doc-blocks.ts'
import { folderWith } from '../helpers/folder.ts'
import { mcpClient } from '../helpers/mcp-client.ts'
import { migratedDatabase, runSql } from '../helpers/postgres.ts'

t.test('the policy of docs/database.md keeps tenants apart, also where a tool forgets to', async (t) => {
  const url = await migratedDatabase(t)
  const policy = docBlocks('docs/database.md').find(({ code }) => code.includes('create policy'))?.code as string
  await runSql(url, policy, 'alter table projects alter tenant drop default', 'insert into projects (tenant, name) values (\'acme\', \'anvil\'), (\'globex\', \'laser\')', 'alter table projects alter tenant set default current_setting(\'portcullis.tenant\', true)')
  const made = ['acme', 'globex', undefined].map((tenant) => newKey({ id: tenant ?? 'nobody', roles: ['user'], tenant }))
  const keys = join(folderWith(t, { keys: made.map(({ line }) => line).join('\n') }), 'keys')
  const app = await buildApp(t, {
    env: { DATABASE_URL: url, API_KEYS_FILE: keys, AUTH_MODE: 'api-key', DB_POOL_MAX: '2', ALLOWLIST_PATH: allowlistFile(t, 'roles: { user: { allow: [test_list_projects, test_add_project] } }') },
    extra: async (fastify) => {
      const output = Type.Object({ names: Type.Array(Type.String()) })
      fastify.tools.add({ name: 'test_list_projects', description: 'x', effect: 'read', input: Type.Object({}), output, handler: async (_args, { db, principal }) => ({ names: (await db.query<{ name: string }>(sql`select name from projects where tenant = ${principal.tenant ?? null} or true order by name`)).map(({ name }) => name) }) })
      fastify.tools.add({
        name: 'test_add_project',
        description: 'x',
        effect: 'write',
        input: Type.Object({ name: Type.String(), tenant: Type.Optional(Type.String()) }),
        output,
        async handler ({ name, tenant }, { db }) {
          await db.execute(tenant === undefined ? sql`insert into projects (name) values (${name})` : sql`insert into projects (tenant, name) values (${tenant}, ${name})`)
          return { names: (await db.query<{ name: string }>(sql`select name from projects order by name`)).map(({ name }) => name) }
        }
      })
    }
  })
  const [acme, globex, nobody] = made.map(({ key }) => mcpClient(app, { 'x-api-key': key })) as [ReturnType<typeof mcpClient>, ReturnType<typeof mcpClient>, ReturnType<typeof mcpClient>]
  const names = async (client: typeof acme): Promise<string[]> => (await client.call('test_list_projects')).message.result.structuredContent.names

  for (let time = 0; time < 20; time++) { // on two connections that all of them share
    const seen = await Promise.all([names(acme), names(globex), names(nobody)])
    t.same(seen, [['anvil'], ['laser'], []])
  }
  t.same((await acme.call('test_add_project', { name: 'rocket' })).message.result.structuredContent, { names: ['anvil', 'rocket'] })
  t.match((await acme.call('test_add_project', { name: 'trojan', tenant: 'globex' })).message.result, { isError: true })
  t.match((await nobody.call('test_add_project', { name: 'orphan' })).message.result, { isError: true })
  t.same([await names(acme), await names(globex), await names(nobody)], [['anvil', 'rocket'], ['laser'], []])
})
