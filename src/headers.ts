import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'

/** Every value that a header was sent with. Node's own `headers` keeps only the first of two Host or Authorization headers. */
export function headerValues ({ rawHeaders }: IncomingMessage, name: string): string[] {
  const values: string[] = []
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if ((rawHeaders[index] as string).toLowerCase() === name) values.push(rawHeaders[index + 1] as string)
  }
  return values
}

/** Whether the body is longer than a limit, or does not say how long it is. */
export function hasMoreThan (limit: number, headers: IncomingHttpHeaders): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length']) > limit
}

/** Whether the body is compressed. */
export function isEncoded ({ 'content-encoding': encoding = 'identity' }: IncomingHttpHeaders): boolean {
  return !/^(identity)?$/i.test(encoding.trim())
}
