import type { IncomingMessage } from 'node:http'

/** Every value that a header was sent with. Node's own `headers` keeps only the first of two Host or Authorization headers. */
export function headerValues ({ rawHeaders }: IncomingMessage, name: string): string[] {
  const values: string[] = []
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if ((rawHeaders[index] as string).toLowerCase() === name) values.push(rawHeaders[index + 1] as string)
  }
  return values
}
