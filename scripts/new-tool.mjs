import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { allowTool } from './allow-tool.mjs'
import { Refusal, run } from './refusal.mjs'

const allowlist = 'config/allowlist.yaml'
const templates = join(import.meta.dirname, 'templates')
const usage = 'name the tool verb first, in lower case and at most 64 characters: npm run new:tool count_things'

// npm run new:tool NAME: a tool that works, its test and its line in the allowlist. Everything is checked before
// anything is written, so a refusal leaves nothing behind.
await run(([given]) => {
  const spellings = spellingsOf(given)
  const { count_things: name, 'count-things': file } = spellings
  const files = [
    { path: `tools/${file}.ts`, text: fromTemplate('tool.ts.txt', spellings) },
    { path: `test/tools/${file}.test.ts`, text: fromTemplate('tool.test.ts.txt', spellings) }
  ]
  if (!existsSync(allowlist)) throw new Refusal(`${allowlist} is not there; run this in the root of the repository, or restore that file`)
  refuseIfTaken(name, files)
  const policy = allowTool(name, readFileSync(allowlist, 'utf8'), allowlist)

  for (const { path, text } of files) {
    writeFileSync(path, text, { flag: 'wx' })
    console.log(`wrote ${path}`)
  }
  if (policy !== undefined) writeFileSync(allowlist, policy)
  console.log(policy === undefined ? `${name} was in ${allowlist} already` : policy.includes(`# ${name}: `) ? `left a comment in ${allowlist}: name ${name} under the roles that may call it` : `allowed ${name} in ${allowlist}`)
  console.log(`\nIt works as it stands: npx tap ${files[1].path}\nNow make it yours: docs/add-a-tool.md`)
})

/** The name in every spelling, by the spelling that the templates use. */
function spellingsOf (given) {
  if (given === undefined) throw new Refusal(usage)
  if (!/^[a-z][a-z0-9]*((_[a-z0-9]+)+|(-[a-z0-9]+)+)$/.test(given) || given.length > 64) throw new Refusal(`"${given}" can't be the name of a tool; ${usage}`)
  const words = given.split(/[-_]/)
  return {
    count_things: words.join('_'),
    'count-things': words.join('-'),
    countThings: words[0] + words.slice(1).map(capitalised).join(''),
    'Count things': capitalised(words.join(' '))
  }
}

function capitalised (text) {
  return text[0].toUpperCase() + text.slice(1)
}

function fromTemplate (file, spellings) {
  return readFileSync(join(templates, file), 'utf8').replace(/count_things|count-things|countThings|Count things/g, (spelling) => spellings[spelling])
}

function refuseIfTaken (name, files) {
  const taken = files.find(({ path }) => existsSync(path))
  if (taken !== undefined) throw new Refusal(`${taken.path} exists already; choose another name, or edit that file`)
  const owner = readdirSync('tools').find((file) => file.endsWith('.ts') && readFileSync(join('tools', file), 'utf8').includes(`name: '${name}'`))
  if (owner !== undefined) throw new Refusal(`tools/${owner} adds a tool "${name}" already; choose another name`)
}
