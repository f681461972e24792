import { hash } from 'node:crypto'

/** What a statement's text says about it, found out once. */
export interface Statement {
  /** Under which it is prepared on a connection; without one it is planned for each execution. */
  name?: string
  /** `db.operation.name`: SELECT, UPDATE and so on, or `_OTHER`. */
  operation: string
  /** Begins or ends a transaction, which is the pipeline's to do. */
  isControl: boolean
  /** May leave something behind in the session: its connection is not lent again. */
  leavesTraces: boolean
  /** Begins with a word of statements that read. */
  reads: boolean
}

const mostNames = 1_000 // each is kept by every connection
const control = /^(?:begin|start|commit|end|abort|prepare|rollback(?!\s+(?:(?:work|transaction)\s+)?to\b))$/
const lasting = /^(?:set|reset|discard|listen|unlisten|load|declare|fetch|move|close|deallocate|execute|create|alter|drop|lock|do|call)$/
const lastingPart = /\b(?:set_config|pg_(?:try_)?advisory_(?:lock|unlock)\w*|into\s+(?:local\s+|global\s+)?temp(?:orary)?)\b/i
const operations = new Set(['select', 'with', 'values', 'table', 'insert', 'update', 'delete', 'merge', 'show', 'explain', 'call', 'copy', 'refresh', 'notify', 'truncate'])
const reading = /^(?:select|with|values|table|show|explain)$/

/** Reads statements and remembers what it read; their texts come from tools, so they are few. */
export function createStatements ({ isPreparing }: { isPreparing: boolean }): (text: string, isReplanned?: boolean) => Statement {
  const known = new Map<string, Statement>()
  return (text, isReplanned = false) => {
    const found = known.get(text)
    if (found !== undefined) return found
    const statement = describe(text)
    if (known.size >= mostNames) return statement
    if (isPreparing && !isReplanned) statement.name = `p${hash('sha256', text).slice(0, 24)}`
    known.set(text, statement)
    return statement
  }
}

/** What is known of a text without running it. */
export function describe (text: string): Statement {
  const word = firstWords(text)
  return {
    operation: operations.has(word) ? word.toUpperCase() : '_OTHER',
    isControl: control.test(word),
    leavesTraces: lasting.test(word) || lastingPart.test(text),
    reads: reading.test(word)
  }
}

/** The first word, in lower case; of a ROLLBACK all that follows. Comments nest in PostgreSQL. */
function firstWords (text: string): string {
  let at = 0
  for (;;) {
    if (/[\s(]/.test(text[at] ?? '')) at++
    else if (text.startsWith('--', at)) at += /^[^\n\r]*/.exec(text.slice(at))?.[0].length ?? 0
    else if (text.startsWith('/*', at)) at = afterComment(text, at)
    else break
  }
  const word = /^[a-z]+/i.exec(text.slice(at))?.[0].toLowerCase() ?? ''
  return word === 'rollback' ? text.slice(at).trim().toLowerCase() : word
}

function afterComment (text: string, start: number): number {
  let depth = 0
  for (let at = start; at < text.length; at++) {
    if (text.startsWith('/*', at)) { depth++; at++ } else if (text.startsWith('*/', at)) {
      at++
      if (--depth === 0) return at + 1
    }
  }
  return text.length
}
