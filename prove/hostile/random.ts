export interface Random {
  /** From 0 up to, not including, the limit. */
  below: (limit: number) => number
  pick: <T>(from: readonly T[]) => T
  /** True once in so many times. */
  oneIn: (times: number) => boolean
}

/** The same seed gives the same choices on every machine (mulberry32). */
export function createRandom (seed: number): Random {
  let state = seed | 0
  function next (): number {
    state = state + 0x6D2B79F5 | 0
    let mixed = Math.imul(state ^ state >>> 15, 1 | state)
    mixed = mixed + Math.imul(mixed ^ mixed >>> 7, 61 | mixed) ^ mixed
    return ((mixed ^ mixed >>> 14) >>> 0) / 4294967296
  }
  const below = (limit: number): number => Math.floor(next() * limit)
  return { below, pick: (from) => from[below(from.length)] as never, oneIn: (times) => below(times) === 0 }
}
