import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import t from 'tap'
import { Type } from 'typebox'
import { createRegistry } from '../../src/mcp/registry.ts'
import { docBlocks, documents } from '../helpers/doc-blocks.ts'

// A block says where its file would lie: ```ts file tools/count-things.ts. Laid over the checkout (rootDirs), its
// imports find what they would find there.
t.test('every TypeScript block of a document that is marked "file" compiles in the place it names', async (t) => {
  const overlay = mkdtempSync(resolve('dist-test-docs-'))
  t.teardown(() => { rmSync(overlay, { recursive: true, force: true }) })
  let blocks = 0
  for (const document of documents) {
    for (const { words: [kind, path], code } of docBlocks(document)) {
      if (kind !== 'file' || path === undefined) continue
      blocks++
      mkdirSync(dirname(join(overlay, path)), { recursive: true })
      writeFileSync(join(overlay, path), code, { flag: 'wx' })
    }
  }
  writeFileSync(join(overlay, 'tsconfig.json'), JSON.stringify({
    extends: '../tsconfig.json',
    compilerOptions: { noEmit: true, rootDir: '..', rootDirs: ['.', '..'] },
    include: ['.', '../plugins']
  }))

  const { stdout } = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', overlay], { encoding: 'utf8' })

  t.equal(stdout, '')
  t.ok(blocks > 0)
})

t.test('the sentences that docs/add-a-tool.md promises are the ones that wrong tools get', async (t) => {
  const told = readFileSync('docs/add-a-tool.md', 'utf8')
  const good = { name: 'x_y', description: 'x', effect: 'read', input: Type.Object({}), output: Type.Object({}), handler: async () => ({}) }
  const data = (schema: object): object => ({ output: Type.Object({ data: Type.Unsafe(schema) }) })
  const wrong: object[] = [{ name: 'Count-Things' }, { description: '' }, { input: Type.String() }, { input: { type: 'object', anyOf: [] } }, { output: Type.Array(Type.String()) }, data({}), data({ type: 'object' }), data({ type: 'array' }), { output: undefined }]
  const messages = wrong.map((parts) => messageOf(() => { createRegistry().add({ ...good, ...parts } as never) }))
  const registry = createRegistry()
  registry.add(good as never)
  messages.push(messageOf(() => { registry.add(good as never) }))
  registry.seal()
  messages.push(messageOf(() => { registry.add(good as never) }))

  for (const message of messages) t.ok(told.includes(`| \`${message}\` |`), message)
  t.equal(messages.length, (told.split('## What stops the boot')[1]?.match(/^\| .*` \|$/gm) ?? []).length)
})

function messageOf (work: () => void): string {
  try {
    work()
    return 'nothing'
  } catch (error) {
    return (error as Error).message
  }
}
