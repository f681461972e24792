export interface BreakerOptions {
  /** Whether the database answers, asked on a connection that no call waits for. */
  probe: () => Promise<boolean>
  onOpen?: () => void
  onClose?: () => void
}

export interface Breaker {
  /** Calls are refused at once. */
  isOpen: () => boolean
  /** A connection could be opened. */
  succeeded: () => void
  /** None could: the database, not the pool, is to blame. */
  failed: () => void
  stop: () => void
}

const failuresInARow = 3
const probeEveryMs = 100

/**
 * Stops asking a database that gives no connections, and asks for it by itself until it does: libraries let a call try, and
 * the others wait for it, which takes as long as the network likes.
 */
export function createBreaker ({ probe, onOpen, onClose }: BreakerOptions): Breaker {
  let failures = 0
  let timer: NodeJS.Timeout | undefined

  function close (): void {
    failures = 0
    if (timer === undefined) return
    clearInterval(timer)
    timer = undefined
    onClose?.()
  }

  /** Probes may overlap: one that hangs since before the network came back must not hold up the next. */
  function open (): void {
    timer = setInterval(() => { probe().then((answers) => { if (answers) close() }, () => {}) }, probeEveryMs).unref()
    onOpen?.()
  }

  return {
    isOpen: () => timer !== undefined,
    succeeded: () => { failures = 0 },
    failed: () => { if (++failures >= failuresInARow && timer === undefined) open() },
    stop: () => { clearInterval(timer) }
  }
}
