import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import t, { type Test } from 'tap'
import { folderWith } from '../helpers/folder.ts'

const { allowTool } = await import(resolve('scripts/allow-tool.mjs')) as { allowTool: (name: string, text: string, path: string) => string | undefined }
const policy = 'allowed_tools:\n  - search_records\n'

/** A checkout as far as the scaffolder looks at one. */
function checkout (t: Test, allowlist = policy): string {
  return folderWith(t, { 'config/allowlist.yaml': allowlist, 'tools/search-records.ts': 'name: \'search_records\'', 'tools/odd-file.ts': 'name: \'odd_tool\'', 'test/tools/old-test.test.ts': 'kept' })
}

function newTool (cwd: string, ...args: string[]): { status: number | null, stdout: string, stderr: string } {
  return spawnSync(process.execPath, [resolve('scripts/new-tool.mjs'), ...args], { cwd, encoding: 'utf8' })
}

const filesOf = (folder: string): string[] => readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()
const allowlistOf = (folder: string): string => readFileSync(join(folder, 'config/allowlist.yaml'), 'utf8')

t.test('writes tool, test and allowlist line, in either spelling of the name, and says what comes next', async (t) => {
  for (const given of ['list_open_labels', 'list-open-labels']) {
    const folder = checkout(t)
    const { status, stdout } = newTool(folder, given)

    t.equal(status, 0)
    for (const told of ['wrote tools/list-open-labels.ts', 'wrote test/tools/list-open-labels.test.ts', 'allowed list_open_labels', 'npx tap test/tools/list-open-labels.test.ts']) t.ok(stdout.includes(told), told)
    const tool = readFileSync(join(folder, 'tools/list-open-labels.ts'), 'utf8')
    t.match(tool, /name: 'list_open_labels',\n {4}title: 'List open labels',[^]*export default listOpenLabels\n$/)
    t.notMatch(tool + readFileSync(join(folder, 'test/tools/list-open-labels.test.ts'), 'utf8'), /count.?things/i)
    t.equal(allowlistOf(folder), 'allowed_tools:\n  - list_open_labels\n  - search_records\n')
  }
})

t.test('a name that is no verb and noun, or is taken, is refused in one sentence, and nothing is written', async (t) => {
  const folder = checkout(t)
  const before = filesOf(folder)
  const refused: Array<[args: string[], reason: RegExp]> = [
    [[], /^name the tool verb first.*npm run new:tool count_things\n$/],
    ...['count', 'Count_things', 'count_my-things', 'count__things', '_count', '1_thing', '../x_y', 'x_y.ts', `count_${'x'.repeat(59)}`].map((name): [string[], RegExp] => [[name], /can't be the name of a tool.*npm run new:tool count_things\n$/]),
    [['search_records'], /^tools\/search-records\.ts exists already; choose another name/],
    [['old-test'], /^test\/tools\/old-test\.test\.ts exists already/],
    [['odd_tool'], /^tools\/odd-file\.ts adds a tool "odd_tool" already/]
  ]
  for (const [args, reason] of refused) {
    const { status, stderr } = newTool(folder, ...args)
    t.equal(status, 1, args.join())
    t.match(stderr, reason, args.join())
  }
  t.same(filesOf(folder), before)
  t.equal(allowlistOf(folder), policy)
})

t.test('the allowlist keeps its layout and comments', async (t) => {
  const texts: Array<[before: string, after: string]> = [
    ['# reviewed\nallowed_tools: # by security\n\n  # for everybody\n  - a_b # daily\n  # - c_d\n', '# reviewed\nallowed_tools: # by security\n\n  # for everybody\n  - list_labels\n  - a_b # daily\n  # - c_d\n'],
    ['allowed_tools:\n- a_b\n- "c_d"\n', 'allowed_tools:\n- list_labels\n- a_b\n- "c_d"\n'],
    ['allowed_tools:\r\n  - a_b\r\n', 'allowed_tools:\r\n  - list_labels\r\n  - a_b\r\n'],
    ['allowed_tools: [a_b, c_d] # both\n', 'allowed_tools: [list_labels, a_b, c_d] # both\n'],
    ['allowed_tools: [ a_b ]\n', 'allowed_tools: [ list_labels, a_b ]\n'],
    ['allowed_tools: []\n', 'allowed_tools: [list_labels]\n'],
    ['allowed_tools: [] # none\n', 'allowed_tools: [list_labels] # none\n'],
    ['allowed_tools: # none yet\n', 'allowed_tools: [list_labels] # none yet\n'],
    ['\uFEFFallowed_tools:\n  -\n    &x a_b\n', '\uFEFFallowed_tools:\n  -\n    list_labels\n  -\n    &x a_b\n'],
    ['# nothing yet', '# nothing yet\nallowed_tools:\n  - list_labels\n'],
    ['', 'allowed_tools:\n  - list_labels\n'],
    ['allowed_tools: [a_b, list_labels]\n', 'allowed_tools: [a_b, list_labels]\n']
  ]
  for (const [before, after] of texts) t.equal(allowTool('list_labels', before, 'x.yaml') ?? before, after, before)
})

t.test('an allowlist of roles is left alone but for a comment, since nobody can guess who gets the tool', async (t) => {
  const roles = 'roles:\n  reader:\n    allow: [a_b]\n'
  const folder = checkout(t, roles)
  t.match(newTool(folder, 'list_labels'), { status: 0, stdout: /left a comment in config\/allowlist\.yaml: name list_labels under the roles/ })
  t.equal(allowlistOf(folder), `${roles}# list_labels: name it under the roles that may call it\n`)
})

t.test('an allowlist that is none is refused before anything is written', async (t) => {
  for (const text of ['{}', '- a_b\n', 'a_b', 'tools: [a_b]\n', 'allowed_tools: a_b\n', 'allowed_tools: null\n', 'allowed_tools: ~\n', 'allowed_tools: [1]\n', 'allowed_tools: {a_b: true}\n', 'allowed_tools: [a_b\n', 'allowed_tools: [*a]\n', 'allowed_tools: []\nallowed_tools: []\n', 'allowed_tools: []\nroles: {}\n', 'a: 1\n---\nb: 1\n']) {
    t.throws(() => allowTool('list_labels', text, 'config/x.yaml'), { message: /^[^\n]*config\/x\.yaml[^\n]*; correct it first$/ }, text)
  }
  const broken = checkout(t, 'allowed_tools: a_b\n')
  t.match(newTool(broken, 'list_labels'), { status: 1, stderr: 'allowed_tools in config/allowlist.yaml must be a list of tool names; correct it first\n' })
  t.equal(existsSync(join(broken, 'tools/list-labels.ts')), false)
  const folder = folderWith(t, { 'README.md': '' })
  t.match(newTool(folder, 'list_labels').stderr, /^config\/allowlist\.yaml is not there; run this in the root/)
})

t.test('a tool that was allowed before it was written is not listed twice', async (t) => {
  const folder = checkout(t)
  writeFileSync(join(folder, 'config/allowlist.yaml'), 'allowed_tools:\n  - "list_labels"\n')
  t.match(newTool(folder, 'list_labels').stdout, /list_labels was in config\/allowlist\.yaml already/)
  t.equal(allowlistOf(folder), 'allowed_tools:\n  - "list_labels"\n')
})
