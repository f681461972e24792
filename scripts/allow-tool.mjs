import { isMap, isSeq, parseDocument } from 'yaml'
import { Refusal } from './refusal.mjs'

/**
 * The text of an allowlist with one more tool; comments and layout stay. The tool goes on top of the list: a newer
 * version of the server adds its own at the end, so that the two lines merge.
 * Which role gets it, nobody can guess: there a comment is left.
 * @returns undefined when the tool is listed already
 * @throws Refusal when the text is no allowlist
 */
export function allowTool (name, text, path) {
  const document = parseDocument(text)
  const names = namesIn(document, path)
  if (names.includes(name)) return undefined
  if (document.has('roles')) return `${text}${text.endsWith('\n') ? '' : '\n'}# ${name}: name it under the roles that may call it\n`
  if (document.contents === null) return `${text}${text === '' || text.endsWith('\n') ? '' : '\n'}allowed_tools:\n  - ${name}\n`

  const [{ key, value: list }] = document.contents.items
  if (!isSeq(list) && list !== null && list.range[0] !== list.range[1]) throw new Refusal(`allowed_tools in ${path} must be a list of tool names; correct it first`)
  if (!isSeq(list)) return insert(text, text.indexOf(':', key.range[1]) + 1, ` [${name}]`)
  if (list.items.length === 0) return insert(text, list.range[0] + 1, name)
  const { range: [first] } = list.items[0]
  return list.flow ? insert(text, first, `${name}, `) : lineAbove(text, first, name, path)
}

// The library would lay the whole file out anew; one inserted line is what a reviewer wants to see.
function insert (text, offset, piece) {
  return text.slice(0, offset) + piece + text.slice(offset)
}

/** Repeats what stands before the item, so that indentation and line ends stay those of the file. */
function lineAbove (text, offset, name, path) {
  const line = text.lastIndexOf('\n', text.lastIndexOf('-', offset)) + 1
  const dash = /^\s*-\s+/.exec(text.slice(line))
  if (dash === null) throw new Refusal(`${path} is written in an unusual way; add ${name} to it first`)
  return insert(text, line, `${dash[0]}${name}${text.includes('\r\n') ? '\r\n' : '\n'}`)
}

function namesIn (document, path) {
  const fault = document.errors[0]?.message ?? faultOfAliases(document)
  if (fault !== undefined) throw new Refusal(`${path} can't be read (${fault.split('\n')[0].replace(/:$/, '')}); correct it first`)
  const { contents } = document
  if (contents === null || (isMap(contents) && contents.items.length === 1 && document.has('roles'))) return []
  if (!isMap(contents) || contents.items.length !== 1 || contents.items[0].key.value !== 'allowed_tools') throw new Refusal(`${path} must be a mapping with the one key allowed_tools or roles; correct it first`)
  const names = document.toJS().allowed_tools ?? []
  if (!Array.isArray(names) || !names.every((entry) => typeof entry === 'string')) throw new Refusal(`allowed_tools in ${path} must be a list of tool names; correct it first`)
  return names
}

/** An alias of nothing, or too many of them, shows only when the document is resolved. */
function faultOfAliases (document) {
  try {
    document.toJS()
    return undefined
  } catch (error) {
    return error.message
  }
}
