const lossCodes = new Set(['25P03', '57P01', '57P02', '57P03', 'ECONNRESET', 'ECONNREFUSED', 'EPIPE', 'ETIMEDOUT'])

/** The connection is gone, as opposed to a statement that failed on a live one. */
export function isConnectionLoss (error: unknown): boolean {
  const { code, message } = error as { code?: string, message?: string }
  if (code === undefined) return /^Connection terminated|connection .*(closed|ended)|not queryable/i.test(message ?? '')
  return lossCodes.has(code) || code.startsWith('08')
}

/** A migration has changed what a prepared statement returns; on another connection it is prepared anew. */
export function isStalePlan (error: unknown): boolean {
  const { code, routine } = error as { code?: string, routine?: string }
  return code === '0A000' && routine === 'RevalidateCachedQuery'
}
