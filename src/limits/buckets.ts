/**
 * Takes tokens from the bucket of a key, which holds `perMinute` of them and refills evenly.
 * @returns 0 when they were taken, else the milliseconds until they are there; a promise only where somebody else must be asked
 */
export type Take = (key: string, perMinute: number, tokens?: number) => number | Promise<number>

interface Bucket { tokens: number, perMinute: number, at: number }

const minuteMs = 60_000
const rounding = 1e-6 // of sums of fractions: without it a wait that was waited could name another millisecond

/**
 * Buckets in the memory of this process. One that is full again is forgotten: that loses nothing, and callers that come
 * once leave nothing behind.
 * @param now milliseconds of a clock that never goes back
 */
export function createBuckets (now: () => number = () => performance.now()): { take: Take, forgetFull: () => void, size: () => number } {
  const buckets = new Map<string, Bucket>()

  function refilled (bucket: Bucket, perMinute: number): Bucket {
    const at = now()
    bucket.tokens = Math.min(perMinute, bucket.tokens + (at - bucket.at) * perMinute / minuteMs)
    bucket.perMinute = perMinute
    bucket.at = at
    return bucket
  }

  return {
    take: (key, perMinute, tokens = 1) => {
      if (perMinute === Infinity) return 0
      let bucket = buckets.get(key)
      if (bucket === undefined) buckets.set(key, bucket = { tokens: perMinute, perMinute, at: now() })
      else refilled(bucket, perMinute)
      if (bucket.tokens < tokens - rounding) return waitFor(tokens - bucket.tokens, perMinute)
      bucket.tokens -= tokens
      return 0
    },
    forgetFull: () => {
      for (const [key, bucket] of buckets) if (refilled(bucket, bucket.perMinute).tokens >= bucket.perMinute) buckets.delete(key)
    },
    size: () => buckets.size
  }
}

/** Milliseconds until a bucket has refilled this much, rounded up so that waiting them works. */
export function waitFor (tokens: number, perMinute: number): number {
  return Math.max(1, Math.ceil((tokens - rounding) * minuteMs / perMinute))
}
