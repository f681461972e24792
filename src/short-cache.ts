/**
 * Keeps what was computed for a short while, so that many who ask the same in one moment pay once. A key must not
 * hold text that a client made up.
 */
export class ShortCache<T> {
  readonly #entries = new Map<string, { value: T, until: number }>()
  readonly #ttlMs: number
  readonly #capacity: number
  readonly #now: () => number

  constructor ({ ttlMs, capacity, now = () => performance.now() }: { ttlMs: number, capacity: number, now?: () => number }) {
    this.#ttlMs = ttlMs
    this.#capacity = capacity
    this.#now = now
  }

  /** What is known, or else what `compute` comes to; being asked for makes nothing younger. The oldest entry goes when the cache is full. */
  async get (key: string, compute: () => Promise<T>): Promise<T> {
    const entry = this.#entries.get(key)
    if (entry !== undefined && this.#now() < entry.until) return entry.value
    const value = await compute()
    this.#entries.delete(key)
    this.#entries.set(key, { value, until: this.#now() + this.#ttlMs })
    if (this.#entries.size > this.#capacity) this.#entries.delete(this.#entries.keys().next().value as string)
    return value
  }
}
