import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { Refusal, run } from './refusal.mjs'

const usage = 'npm run rename acme-tools'

/**
 * Where a fork's name stands. Few places, and none beside a line that changes with every version, so that newer
 * versions merge. SERVICE_NAME follows package.json; npm does not mind the old name in package-lock.json.
 */
const places = [
  ['package.json', /^( {2}"name": ")([^"]*)(")/m],
  ['README.md', /^(# )(.*)()$/m],
  ['.devcontainer/devcontainer.json', /^(\s*"name": ")([^"]*)(")/m],
  ['compose.yaml', /^(name: )(.*)()$/m]
]

// npm run rename NAME: gives a fork its name. Code, variables (PORTCULLIS_*), error codes, licence and changelog keep
// theirs: they are what a newer version is merged by.
await run((args) => {
  const { name, isForced } = read(args)
  if (!isForced) refuseIfDirty()
  const old = JSON.parse(readFileSync('package.json', 'utf8')).name
  const changed = places.filter(([path, place]) => existsSync(path) && renameIn(path, place, old, name)).map(([path]) => path)
  if (changed.length === 0) return console.log(`the name is ${name} already`)
  regenerateDocs()
  console.log(`${changed.map((path) => `changed ${path}`).join('\n')}\n\nLook at it and commit it: git diff\nThen say what your tools do: the default of SERVICE_DESCRIPTION in config/env.ts is handed to every model (npm run docs afterwards)`)
})

function read (args) {
  const { values, positionals: [name, ...rest] } = parseArgs({ args, options: { force: { type: 'boolean', default: false } }, allowPositionals: true })
  if (name === undefined || rest.length > 0) throw new Refusal(`give one name: ${usage}`)
  // Of a package, a Helm release and a Kubernetes service at once.
  if (!/^[a-z]([a-z0-9-]*[a-z0-9])?$/.test(name) || name.length > 53) throw new Refusal(`"${name}" can't be the name; use lower-case letters, digits and hyphens, a letter first, no hyphen last, at most 53 characters: ${usage}`)
  return { name, isForced: values.force }
}

function refuseIfDirty () {
  let status
  try {
    status = execFileSync('git', ['status', '--porcelain'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  } catch {
    throw new Refusal(`this is no git repository, so the change could not be undone; add -- --force to rename all the same: ${usage} -- --force`)
  }
  if (status !== '') throw new Refusal(`there are changes that are not committed; commit them first, or add -- --force: ${usage} -- --force`)
}

/** Replaces the old name, in any case; a text that a team wrote itself is left alone. */
function renameIn (path, place, old, name) {
  const text = readFileSync(path, 'utf8')
  const renamed = text.replace(place, (whole, before, found, after) => found.toLowerCase() === old.toLowerCase() ? before + name + after : whole)
  if (renamed === text) return false
  writeFileSync(path, renamed)
  return true
}

/** Generated pages show the name as a default. */
function regenerateDocs () {
  if (JSON.parse(readFileSync('package.json', 'utf8')).scripts?.docs !== undefined) execFileSync('npm', ['run', '-s', 'docs'], { stdio: 'inherit' })
}
