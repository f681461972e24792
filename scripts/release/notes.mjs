import { existsSync, readFileSync } from 'node:fs'
import { Refusal, run } from '../refusal.mjs'

// node scripts/release/notes.mjs v1.2.3: prints what the changelog says of a release, when everything agrees on its version.
// A fork's release, v1.2.3-acme.4, is the fourth of acme on the state 1.2.3 of the server, which may be unreleased.
await run(([tag]) => {
  const [, version, fork] = /^v(\d+\.\d+\.\d+)(-[0-9A-Za-z.-]+)?$/.exec(tag ?? '') ?? []
  if (version === undefined) throw new Refusal('name the tag of the release, such as v1.2.3, or v1.2.3-acme.4 in a fork')
  const versions = { 'package.json': JSON.parse(read('package.json')).version }
  const chart = 'charts/portcullis/Chart.yaml'
  if (existsSync(chart)) {
    versions[`version in ${chart}`] = field(read(chart), 'version')
    versions[`appVersion in ${chart}`] = field(read(chart), 'appVersion')
  }
  for (const [place, found] of Object.entries(versions)) if (found !== version) throw new Refusal(`the tag says ${version}, ${place} says ${found}`)

  const section = read('CHANGELOG.md').split(/^## /m).find((text) => text.split(/\s/)[0] === version)
  if (section === undefined) throw new Refusal(`CHANGELOG.md has no section "## ${version}"`)
  const [title, ...lines] = section.split('\n')
  if (fork !== undefined) return console.log(`On the state ${version} of the server.`)
  if (/unreleased/i.test(title)) throw new Refusal(`CHANGELOG.md still calls ${version} unreleased; write its date instead`)
  const notes = lines.join('\n').trim()
  if (notes === '') throw new Refusal(`CHANGELOG.md says nothing of ${version}`)
  console.log(notes)
})

function read (path) {
  return readFileSync(path, 'utf8')
}

function field (yaml, name) {
  return new RegExp(`^${name}: "?([^"\\s]+)"?$`, 'm').exec(yaml)?.[1]
}
