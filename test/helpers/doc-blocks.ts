import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const markdownIn = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.md')).map((name) => join(folder, name))

/** The documents whose words and snippets are tested. */
export const documents = [
  ...readdirSync('.').filter((name) => name.endsWith('.md')),
  '.github/pull_request_template.md',
  ...['tools', 'plugins', 'src', 'bench', 'docs', 'examples', 'collector', 'charts'].flatMap(markdownIn)
]

/** A fenced code block. Its info string is the language and words for the tests: `sh run`, `json .vscode/mcp.json`. */
export interface DocBlock {
  /** Document and line, to name a test after. */
  place: string
  language: string
  words: string[]
  code: string
  /** The lines of the `output` block that follows, if one does. */
  output: string[]
}

/** Every fenced code block of a document. */
export function docBlocks (document: string): DocBlock[] {
  const text = readFileSync(document, 'utf8')
  const blocks = [...text.matchAll(/^```(\w+)([^\n]*)\n([^]*?)^```$/gm)].map(({ index, 1: language = '', 2: info = '', 3: code = '' }) => ({
    place: `${document}:${text.slice(0, index).split('\n').length}`,
    language,
    words: info.split(' ').filter((word) => word !== ''),
    code
  }))
  return blocks.map((block, index) => {
    const next = blocks[index + 1]
    return { ...block, output: next?.words.includes('output') === true ? next.code.trimEnd().split('\n') : [] }
  })
}

/** Whether some line of the text is this one, where `…` stands for anything. */
export function hasLine (text: string, line: string): boolean {
  const pattern = line.split('…').map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')).join('.*')
  return new RegExp(`^${pattern}$`, 'm').test(text)
}
