import { readMessages, type RpcMessage } from '../../test/helpers/mcp-client.ts'

export interface Answered { status: number, headers: object, text: string }

const statuses = new Set([200, 202, 400, 401, 403, 404, 405, 406, 413, 415])

/** Text that only the inside of the server knows. */
const internals = [
  /\bat .{0,200}\(.{0,300}:\d+:\d+\)/, /node_modules/, /node:internal/, /file:\/\/\/(work|app|home|tmp|root)/, /\/(src|plugins|tools|dist)\/[\w-]+\.(ts|js)/,
  /syntax error at or near/, /invalid input syntax/, /invalid byte sequence/, /out of range for type/, /unsupported Unicode escape/, /relation "/, /column "/, /\bSQLSTATE\b/, /\bpg_\w+/, /\b(22P02|22021|22P05|42P01|42601|42703|57014|08006|53300|23505|XX000)\b/, /select .{0,80} from records/i,
  /127\.0\.0\.1:\d{2,5}/, /postgres(ql)?:\/\//, /\bECONN\w+|\bERR_[A-Z_]+/, /\bFST_ERR\w+/,
  /\bzod\b/i, /\bajv\b/i, /\btypebox\b/i, /invalid_type|unrecognized_keys|invalid_union|too_small/, /Cannot read propert|is not a function|is not iterable|undefined \(reading|Maximum call stack|TypeError|RangeError|SyntaxError|Unexpected token|content-type is set to|forbidden prototype/
]

/** What is wrong with an answer, or undefined. */
export function faultOf ({ status, headers, text }: Answered): string | undefined {
  if (!statuses.has(status)) return `status ${status}`
  const leak = leakIn(`${JSON.stringify(headers)}\n${text}`)
  if (leak !== undefined) return leak
  let messages: RpcMessage[]
  try {
    messages = readMessages(text)
  } catch {
    return 'the body is neither JSON nor an event stream'
  }
  const odd = messages.find((message) => !isMessage(message))
  return odd === undefined ? undefined : `no JSON-RPC: ${JSON.stringify(odd).slice(0, 200)}`
}

export function leakIn (text: string): string | undefined {
  const pattern = internals.find((one) => one.test(text))
  return pattern === undefined ? undefined : `shows internals (${String(pattern)}): ${JSON.stringify(pattern.exec(text)?.[0].slice(0, 200))}`
}

function isMessage (message: RpcMessage | null): boolean {
  if (typeof message !== 'object' || message === null || message.jsonrpc !== '2.0') return false
  if ('error' in message) return Number.isInteger(message.error?.code) && typeof message.error?.message === 'string' && 'id' in message
  return 'result' in message ? 'id' in message : typeof (message as { method?: unknown }).method === 'string'
}

/** Inputs that lead to the same one tell nothing new. */
export function signatureOf ({ status, text }: Answered, logged: string[]): string {
  const codes = readMessages(text).map(({ error, result }) => error?.code ?? (result?.isError === true ? 'isError' : 'ok'))
  return [status, [...new Set(codes)].sort(), [...new Set(logged)].sort()].join('|')
}
