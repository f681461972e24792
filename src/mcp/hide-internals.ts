import { type McpServer, ProtocolError } from '@modelcontextprotocol/server'

const internalError = -32603

/**
 * Keeps two kinds of text from clients: what a handler of an extension threw by accident, and the validator's report
 * that the SDK puts into the error of a request it can't parse (the client gets its first line).
 * @param onError gets what was thrown
 */
export function hideInternals ({ server }: McpServer, onError: (error: Error) => void): void {
  type Handler = (...args: unknown[]) => unknown
  const setRequestHandler = server.setRequestHandler.bind(server) as unknown as (...args: unknown[]) => void
  const guarded = (handler: Handler): Handler => async (...given) => {
    try {
      return await handler(...given)
    } catch (error) {
      if (error instanceof ProtocolError) throw error
      onError(error as Error)
      throw new ProtocolError(internalError, 'Internal error')
    }
  }
  server.setRequestHandler = ((...args: unknown[]) => {
    const handler = args.pop() as Handler
    setRequestHandler(...args, guarded(handler))
  }) as typeof server.setRequestHandler
  let fallback: Handler | undefined
  Object.defineProperty(server, 'fallbackRequestHandler', {
    get: () => fallback,
    set: (handler: Handler | undefined) => { fallback = handler === undefined ? undefined : guarded(handler) }
  })

  const connect = server.connect.bind(server)
  server.connect = async (transport) => {
    const send = transport.send.bind(transport)
    transport.send = async (message, options) => { await send('error' in message ? { ...message, error: { ...message.error, message: plainText(message.error.message) } } : message, options) }
    await connect(transport)
  }
}

function plainText (text: string): string {
  const report = /^(Invalid [\w/]+ [\w ]+: )?\[\n/.exec(text)
  if (report === null) return text
  const before = report[1] ?? 'Invalid request: '
  try {
    const [first] = JSON.parse(text.slice(report[1]?.length ?? 0)) as Array<{ path: string[], message: string }>
    return `${before}${first?.path.join('.')}: ${first?.message}`
  } catch {
    return before
  }
}
