import { readFileSync, writeFileSync } from 'node:fs'
import { isMap, parseDocument } from 'yaml'
import { Refusal, run } from './refusal.mjs'

// npm run chart:docs [-- --check]: writes the table of values into charts/portcullis/README.md from the comments in
// values.yaml that begin with two dashes; --check only says whether it is as it would be written.
const valuesFile = 'charts/portcullis/values.yaml'
const page = 'charts/portcullis/README.md'
const mark = /^ -- /

await run((args) => {
  const rows = rowsOf(parseDocument(readFileSync(valuesFile, 'utf8')).contents)
  const undescribed = rows.filter(({ text }) => text === undefined).map(({ path }) => path)
  if (undescribed.length > 0) throw new Refusal(`${valuesFile} says nothing (# -- …) about ${undescribed.join(', ')}`)
  const before = readFileSync(page, 'utf8')
  const after = before.replace(/(?<=<!-- values -->\n)[^]*(?=<!-- end of values -->)/, () => `\n${table(rows)}\n`)
  if (args.includes('--check') && before !== after) throw new Refusal(`${page} is not what ${valuesFile} says; run: npm run chart:docs`)
  if (!args.includes('--check')) writeFileSync(page, after)
})

/** One row for each value: the key that a comment describes, with all that is below it, unless that is described key by key. */
function rowsOf (map, above = []) {
  return map.items.flatMap((pair, index) => {
    const path = [...above, pair.key.value]
    // The comment before the first key belongs to the map.
    const text = described(pair.key.commentBefore ?? (index === 0 ? map.commentBefore : undefined))
    if (text === undefined && isMap(pair.value) && pair.value.items.length > 0) return rowsOf(pair.value, path)
    return [{ path: path.join('.'), text, value: pair.value?.toJSON() ?? null }]
  })
}

function described (comment) {
  const lines = (comment ?? '').split('\n')
  const start = lines.findLastIndex((line) => mark.test(line))
  return start === -1 ? undefined : lines.slice(start).join(' ').replace(mark, '').replace(/\s+/g, ' ').trim()
}

function table (rows) {
  const cells = rows.map(({ path, text, value }) => `| \`${path}\` | ${shown(value)} | ${text.replaceAll('|', '\\|')} |`)
  return `| value | default | what it is |\n|---|---|---|\n${cells.join('\n')}\n`
}

function shown (value) {
  const text = JSON.stringify(value)
  return text.length > 60 ? '(see values.yaml)' : `\`${text.replaceAll('|', '\\|')}\``
}
