import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { sdkClients } from '../helpers/clients.ts'
import { docBlocks, documents, hasLine, type DocBlock } from '../helpers/doc-blocks.ts'
import { whyNotRun } from '../helpers/programs.ts'
import { transpile } from '../helpers/transpile.ts'
import { twoServers } from '../helpers/two-servers.ts'

const checkout = resolve(import.meta.dirname, '../..')
const { open, locked, key, records } = await twoServers(t)

// In the checkout, so that packages resolve; its name is one that git and the linter ignore.
const folder = mkdtempSync(join(checkout, 'dist-test-'))
t.teardown(() => { rmSync(folder, { recursive: true, force: true }) })
const home = mkdtempSync(join(tmpdir(), 'portcullis-home-'))
t.teardown(() => { rmSync(home, { recursive: true, force: true }) })

const interpreters: Record<string, (block: DocBlock, code: string) => [command: string, ...args: string[]]> = {
  sh: (_block, code) => ['sh', '-euc', code],
  ts: ({ place }, code) => {
    const file = join(folder, `${place.replace(/\W/g, '-')}.mjs`)
    writeFileSync(file, transpile(code))
    return [process.execPath, file]
  }
}

const blocks = documents.flatMap(docBlocks)

for (const block of blocks.filter(({ words }) => words.includes('run'))) {
  t.test(`${block.place} runs as written, and prints what is shown`, { skip: whyNotRun(block.code) }, async (t) => {
    const { url } = block.code.includes('PORTCULLIS_API_KEY') ? locked : open
    const interpret = interpreters[block.language] as (typeof interpreters)[string]
    const [command, ...args] = interpret(block, block.code.replaceAll('http://localhost:8000', url))

    const { stdout } = await promisify(execFile)(command, args, { cwd: checkout, env: { PATH: process.env.PATH, HOME: home, PORTCULLIS_API_KEY: key } })

    t.not(block.output.length, 0, 'an output block follows')
    for (const line of block.output) t.ok(hasLine(stdout, line), `${line}\nin\n${stdout}`)
  })
}

const addresses = blocks.filter(({ place, language, code }) => place.startsWith('docs/connect-a-client.md') && language === 'json' && /"url"/.test(code))

for (const { place, code } of addresses) {
  t.test(`the address and headers of ${place} reach the tools`, async (t) => {
    const config = JSON.parse(code.replace(/\$\{[\w:-]+\}/g, key))
    const { url, headers } = (config.servers ?? config.mcpServers).portcullis
    const server = headers === undefined ? open : locked

    const client = await sdkClients['client 2.x, auto'](url.replace('http://localhost:8000', server.url), headers)
    t.equal((await client.call('get_statistics', {})).structuredContent.total, records)
    await client.close()
  })
}

t.test('the page on clients is among them', async (t) => {
  t.ok(blocks.some(({ place, words }) => place.startsWith('docs/connect-a-client.md') && words.includes('run')))
  t.equal(addresses.length, 5)
})
