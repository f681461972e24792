const endedByServer = /^(?:25P03|57P0[123]|08\w{3})$/
const network = /^(?:E[A-Z]+|ERR_(?:SSL|TLS|SOCKET|STREAM)\w*)$/
const driver = /^Connection terminated|connection .*(?:closed|ended)|not queryable/i

/** The connection is gone, as opposed to a statement that failed on a live one. */
export function isConnectionLoss (error: unknown): boolean {
  const { code, message } = error as { code?: string, message?: string }
  return code === undefined ? driver.test(message ?? '') : endedByServer.test(code) || network.test(code)
}

/** The server's own words: it was there to say them. */
export function isServersAnswer (error: unknown): boolean {
  return typeof (error as { severity?: unknown } | undefined)?.severity === 'string'
}

/** A migration has changed what a prepared statement returns; on another connection it is prepared anew. */
export function isStalePlan (error: unknown): boolean {
  const { code, routine } = error as { code?: string, routine?: string }
  return code === '0A000' && routine === 'RevalidateCachedQuery'
}
