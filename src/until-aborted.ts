/** The promise, or the signal's reason if that comes first; the loser is never an unhandled rejection. */
export async function untilAborted<T> (signal: AbortSignal, promise: Promise<T>): Promise<T> {
  let onAbort = (): void => {}
  const aborted = new Promise<never>((_resolve, reject) => {
    onAbort = () => { reject(signal.reason) }
    if (signal.aborted) onAbort() // while the handler took its first steps
    signal.addEventListener('abort', onAbort, { once: true })
  })
  try {
    return await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
