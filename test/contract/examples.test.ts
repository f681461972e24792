import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'

t.test('an example that a document shows is the file, to the last character', async (t) => {
  for (const document of readdirSync('docs').filter((name) => name.endsWith('.md'))) {
    for (const [, path, shown] of readFileSync(`docs/${document}`, 'utf8').matchAll(/^`(examples\/\S+)`:\n\n```\w+\n([^]*?)```$/gm)) {
      t.equal(shown, readFileSync(path as string, 'utf8'), `${document}: ${path}`)
    }
  }
})

t.test('docs/add-a-plugin.md shows every file of its package', async (t) => {
  const text = readFileSync('docs/add-a-plugin.md', 'utf8')
  for (const path of ['acme-plugin/package.json', 'acme-plugin/tsconfig.json', 'acme-plugin/src/index.ts', 'embed.js']) t.ok(text.includes(`\`examples/${path}\`:\n\n\`\`\``), path)
  t.ok(readFileSync('src/app.ts', 'utf8').includes('// plugins of packages and your own go here'), 'the comment that it points at')
})

t.test('docs/add-a-plugin.md names all that fastify.tools carries for a handler', async (t) => {
  const { authoring } = await import('../../src/mcp/authoring.ts')
  const [, sentence] = /^- (.*) come from `fastify\.tools`/m.exec(readFileSync('docs/add-a-plugin.md', 'utf8')) ?? []
  t.same([...(sentence ?? '').matchAll(/`(\w+)`/g)].map(([, name]) => name).sort(), Object.keys(authoring).sort())
})
