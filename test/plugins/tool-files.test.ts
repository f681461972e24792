import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Fastify from 'fastify'
import fp from 'fastify-plugin'
import t, { type Test } from 'tap'
import toolFiles from '../../plugins/tool-files.ts'
import { createRegistry } from '../../src/mcp/registry.ts'

const adds = (name: string): string => `export default async (fastify) => { fastify.tools.add({ name: '${name}', description: 'x', effect: 'read', input: { type: 'object', properties: {} }, output: 'blocks', handler: async () => {} }) }`

async function load (t: Test, files: Record<string, string>): Promise<string[]> {
  const dir = mkdtempSync(join(tmpdir(), 'portcullis-tool-files-'))
  t.teardown(() => { rmSync(dir, { recursive: true }) })
  for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text)
  const app = Fastify()
  t.teardown(async () => { await app.close() })
  await app.register(fp(async (fastify) => { fastify.decorate('tools', createRegistry()) }, { name: 'tools' }))
  await app.register(toolFiles, { dir })
  return app.tools.list().map(({ name }) => name)
}

t.test('every file adds the tool of its name', async (t) => {
  t.same(await load(t, { 'count-things.mjs': adds('count_things'), 'list.mjs': adds('list'), 'README.md': '# x', 'count-things.test.mjs': 'throw new Error()' }), ['count_things', 'list'])
})

t.test('a file that adds none, or one of another name, stops the boot and is named', async (t) => {
  const bad = ['', 'export const x = 1', 'export default 5', 'export default {}', 'export default async () => {}', adds('other')]
  for (const text of bad) {
    await t.rejects(load(t, { 'count-things.mjs': text, 'list.mjs': adds('list') }), { code: 'MCP_TOOL_FILE_EMPTY', message: /tools\/count-things\.mjs adds no tool "count_things"/ }, text)
  }
})

t.test('a folder of tools, which nothing would load, stops the boot', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'portcullis-tool-files-'))
  t.teardown(() => { rmSync(dir, { recursive: true }) })
  mkdirSync(join(dir, 'weather'))
  const app = Fastify()
  await app.register(fp(async (fastify) => { fastify.decorate('tools', createRegistry()) }, { name: 'tools' }))
  await t.rejects(async () => { await app.register(toolFiles, { dir }) }, { code: 'MCP_TOOL_FOLDER', message: /tools\/weather is a folder/ })
})
