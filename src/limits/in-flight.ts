export type NotIn = 'too_many' | 'overloaded'

/**
 * Counts the requests that each caller has in flight, before their bodies are read. Past the bound for all of them,
 * whoever holds less than an even share still gets in.
 * @param most requests of all callers together
 */
export function createInFlight (most: number) {
  const perCaller = new Map<string, number>()
  let total = 0

  return {
    /** Undefined when the request may go on; then `leave` must be called once. */
    enter (caller: string, mostOfCaller: number): NotIn | undefined {
      const own = perCaller.get(caller) ?? 0
      if (own >= mostOfCaller) return 'too_many'
      if (total >= most && own >= Math.floor(most / perCaller.size)) return 'overloaded'
      perCaller.set(caller, own + 1)
      total++
      return undefined
    },
    leave (caller: string): void {
      const own = perCaller.get(caller) ?? 0
      if (own <= 1) perCaller.delete(caller)
      else perCaller.set(caller, own - 1)
      total--
    },
    stats: () => ({ total, callers: perCaller.size })
  }
}
