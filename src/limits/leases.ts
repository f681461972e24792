import { waitFor, type Take } from './buckets.ts'

/** What the shared store gave: as many tokens as asked for, fewer, or none. */
export interface Grant { granted: number, left: number }

/**
 * Takes tokens from the shared bucket of a key.
 * @param most how many are welcome
 * @param wanted how many are needed at once
 * @param isAllOrNothing fewer than those are of no use
 */
export type Ask = (key: string, perMinute: number, most: number, wanted: number, isAllOrNothing: boolean) => Promise<Grant>

interface Lease { tokens: number, block: number, expiresAt: number, emptyUntil: number, wanted: number, asking?: Promise<void> }

/** Tokens that nobody used by then are lost, so that a bucket never holds more than it may. */
const leaseMs = 10_000
const parts = 20

/**
 * Buckets that replicas share. Each takes tokens in blocks and spends them by itself: what all of them let through is
 * never more than what the store gave. A block doubles while it is used up in time, so a busy caller costs few writes and
 * a quiet one does not hoard.
 */
export function createLeases (ask: Ask, now: () => number = () => performance.now()): { take: Take, forgetFull: () => void, size: () => number } {
  const leases = new Map<string, Lease>()

  async function refill (key: string, perMinute: number, lease: Lease): Promise<void> {
    await Promise.resolve() // one question for all that ask in this turn
    const isUsedUp = now() < lease.expiresAt
    const wanted = lease.wanted
    lease.block = Math.max(wanted, isUsedUp ? Math.min(lease.block * 2, Math.floor(perMinute / parts)) : 1)
    const { granted, left } = await ask(key, perMinute, lease.block, wanted, false)
    lease.tokens = (isUsedUp ? lease.tokens : 0) + granted
    lease.expiresAt = now() + leaseMs
    if (granted < wanted) lease.emptyUntil = now() + waitFor(Math.max(0, 1 - left), perMinute)
  }

  async function takeAfterAsking (key: string, perMinute: number, tokens: number, lease: Lease): Promise<number> {
    lease.wanted += tokens
    lease.asking ??= refill(key, perMinute, lease).finally(() => { lease.asking = undefined })
    try {
      await lease.asking
    } finally {
      lease.wanted -= tokens
    }
    return takeHeld(lease, perMinute, tokens) ?? await takeAfterAsking(key, perMinute, tokens, lease)
  }

  /** A batch: all of its tokens or none, or it would drain what it can't use. */
  async function takeTogether (key: string, perMinute: number, tokens: number): Promise<number> {
    const { granted, left } = await ask(key, perMinute, tokens, tokens, true)
    return granted >= tokens ? 0 : waitFor(tokens - left, perMinute)
  }

  /** 0, a wait, or nothing when the store must be asked. */
  function takeHeld (lease: Lease, perMinute: number, tokens: number): number | undefined {
    const held = now() < lease.expiresAt ? lease.tokens : 0
    if (held >= tokens) {
      lease.tokens -= tokens
      return 0
    }
    const missing = lease.emptyUntil - now()
    return missing > 0 ? Math.max(Math.ceil(missing), waitFor(tokens - held, perMinute)) : undefined
  }

  return {
    take: (key, perMinute, tokens = 1) => {
      if (perMinute === Infinity) return 0
      let lease = leases.get(key)
      if (lease === undefined) leases.set(key, lease = { tokens: 0, block: 1, expiresAt: 0, emptyUntil: 0, wanted: 0 })
      const held = takeHeld(lease, perMinute, tokens)
      if (tokens > 1 && held !== 0) return takeTogether(key, perMinute, tokens)
      return held ?? takeAfterAsking(key, perMinute, tokens, lease)
    },
    forgetFull: () => {
      for (const [key, { expiresAt, emptyUntil, asking }] of leases) if (asking === undefined && Math.max(expiresAt, emptyUntil) < now()) leases.delete(key)
    },
    size: () => leases.size
  }
}
