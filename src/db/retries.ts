import { setTimeout as delay } from 'node:timers/promises'
import { isConnectionLoss, isStalePlan } from './losses.ts'

export interface Retries {
  /** Counts a statement; each pays for a tenth of a retry, so a database that always fails is asked 1.1 times as often and no more. */
  count: () => void
  /** Whether it failed in a way that another try may mend, and there is one to be had. */
  mayRetry: (error: unknown, tries: number) => boolean
  /** The time to let pass before a try, at random: those that failed together do not come back together. */
  pause: (tries: number) => Promise<void>
}

export const mostTries = 3
const share = 0.1
const mostSaved = 10
const pauseMs = 20

/** Of statements that read. */
export function createRetries (): Retries {
  let saved = 0
  return {
    count: () => { saved = Math.min(mostSaved, saved + share) },
    mayRetry: (error, tries) => {
      if (tries >= mostTries || saved < 1 || !mayMend(error)) return false
      saved -= 1
      return true
    },
    pause: async (tries) => { await delay(Math.random() * pauseMs * 2 ** tries) }
  }
}

/** A conflict with another transaction, a connection that was lost, or one that remembers a table as it was. */
function mayMend (error: unknown): boolean {
  const { code } = error as { code?: string }
  return code === '40001' || code === '40P01' || isConnectionLoss(error) || isStalePlan(error)
}
