import { readFileSync } from 'node:fs'

export interface DocBlock { language: string, info: string, code: string }

/** The fenced code blocks of a Markdown file. One whose info string contains `run` is executed or compiled by a test. */
export function blocksOf (path: string): DocBlock[] {
  return [...readFileSync(path, 'utf8').matchAll(/^```([^\s`]*)[ \t]*([^\n]*)\n([^]*?)^```[ \t]*$/gm)]
    .map(([, language = '', info = '', code = '']) => ({ language, info: info.trim(), code }))
}
