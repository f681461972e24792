import type { CallLimits, CallerLimits } from './limits.ts'

/** Why a call was not let in, and when it may be worth another try. */
export interface TurnedAway { why: 'queue_full' | 'overloaded' | 'too_late', retryAfterMs: number }

export interface Ask {
  /** Whose turn it takes: the principal. */
  caller: string
  tool: string
  call: Pick<CallLimits, 'concurrency'>
  limits: Pick<CallerLimits, 'concurrency' | 'queue'>
  /** Epoch milliseconds. */
  deadline: number
  signal: AbortSignal
}

export interface AdmissionOptions {
  /** Calls that run at the same time. */
  concurrency: number
  /** Calls that wait, of all callers together. */
  queue: number
  /** Longest wait, milliseconds. */
  maxWaitMs: number
  now?: () => number
}

interface Waiting extends Ask { cost: number, start: () => void, turnAway: (away: TurnedAway) => void }

/** What one caller has running and waiting. */
class Flow {
  running = 0
  /** So many that others find room, whatever its limits are. */
  readonly most: number
  readonly runningOf = new Map<string, number>()
  readonly waiting: Waiting[] = []
  /** What those that wait will take, milliseconds. */
  waitingMs = 0
  /** Milliseconds of work that the caller may still start before the next caller's turn. */
  deficit = 0

  constructor (most: number) {
    this.most = most
  }

  mayRun ({ tool, call, limits }: Ask): boolean {
    return this.running < Math.min(limits.concurrency, this.most) && (this.runningOf.get(tool) ?? 0) < call.concurrency
  }

  /** The oldest call that may run. */
  next (): Waiting | undefined {
    return this.waiting.find((entry) => this.mayRun(entry))
  }

  push (entry: Waiting): void {
    this.waiting.push(entry)
    this.waitingMs += entry.cost
  }

  /** Whether it waited here. */
  remove (entry: Waiting): boolean {
    const index = this.waiting.indexOf(entry)
    if (index === -1) return false
    this.waiting.splice(index, 1)
    this.waitingMs -= entry.cost
    if (this.waiting.length === 0) {
      this.waitingMs = 0
      this.deficit = Math.min(0, this.deficit)
    }
    return true
  }

  count (tool: string, change: 1 | -1): void {
    this.running += change
    const running = (this.runningOf.get(tool) ?? 0) + change
    if (running === 0) this.runningOf.delete(tool)
    else this.runningOf.set(tool, running)
  }
}

const firstGuessMs = 10
const leastCostMs = 1
const mostOfOne = 3 / 4
const patience = 1 / 2 // of a call's time; the rest is for guesses that are wrong

/**
 * Lets so many calls run at a time and the rest wait, each caller in a queue of its own. Callers take turns by deficit
 * round robin (Shreedhar and Varghese, 1995) over the time that a tool's calls were seen to take, so neither many calls
 * nor slow ones buy more than a caller's share, and a caller's calls come in their order. A call that would wait more
 * than half of its time is turned away at once: a burst is worked off, an overload is not stored up. When the whole queue
 * is full, whoever has most in it gives way.
 */
export function createAdmission ({ concurrency, queue, maxWaitMs, now = Date.now }: AdmissionOptions) {
  const flows = new Map<string, Flow>()
  /** Callers with calls that wait, in the order of their turns. */
  const turns = new Set<Flow>()
  const costs = new Map<string, number>()
  const most = Math.max(1, Math.floor(concurrency * mostOfOne))
  let dearestMs = firstGuessMs
  let running = 0
  let waiting = 0

  /** A function that ends the turn, a promise of one, or why there is none. */
  function enter (ask: Ask): (() => void) | TurnedAway | Promise<(() => void) | TurnedAway> {
    let flow = flows.get(ask.caller)
    if (flow === undefined) flows.set(ask.caller, flow = new Flow(most))
    if (running < concurrency && flow.mayRun(ask)) return start(flow, ask)

    const budgetMs = Math.min(maxWaitMs, ask.deadline - now())
    const waitMs = expectedWait(flow, ask)
    const away = (why: TurnedAway['why']): TurnedAway => ({ why, retryAfterMs: Math.ceil(Math.min(Math.max(waitMs, 100), 60_000)) })
    const result = flow.waiting.length >= ask.limits.queue
      ? away('queue_full')
      : waitMs > budgetMs * patience
        ? away(flow.running >= Math.min(ask.limits.concurrency, most) ? 'queue_full' : 'too_late')
        : waiting >= queue && !makeRoom(flow) ? away('overloaded') : undefined
    if (result === undefined) return wait(flow, ask, { away, budgetMs })
    forgetIdle(flow, ask.caller)
    return result
  }

  /** Whether another call of the caller would be turned away, as far as that can be told before it says what it wants. */
  function refuses (caller: string, limits: Ask['limits'], timeoutMs: number): boolean {
    const flow = flows.get(caller)
    if (flow === undefined || flow.waiting.length === 0) return false
    const oneMoreMs = flow.waitingMs * (1 + 1 / flow.waiting.length)
    return oneMoreMs / shareOf(flow, limits.concurrency) > Math.min(maxWaitMs, timeoutMs) * patience
  }

  async function wait (flow: Flow, ask: Ask, { away, budgetMs }: { away: (why: TurnedAway['why']) => TurnedAway, budgetMs: number }): Promise<(() => void) | TurnedAway> {
    return await new Promise((resolve, reject) => {
      const settle = (end: () => void): void => {
        clearTimeout(timer)
        ask.signal.removeEventListener('abort', onAbort)
        leaveQueue(flow, entry)
        end()
      }
      const entry: Waiting = {
        ...ask,
        cost: costOf(ask.tool),
        start: () => { settle(() => { resolve(start(flow, ask)) }) },
        turnAway: (reason) => {
          settle(() => { resolve(reason) })
          forgetIdle(flow, ask.caller)
        }
      }
      const onAbort = (): void => {
        settle(() => { reject(ask.signal.reason) })
        forgetIdle(flow, ask.caller)
      }
      const timer = setTimeout(() => { entry.turnAway(away('too_late')) }, budgetMs)
      ask.signal.addEventListener('abort', onAbort, { once: true })
      if (ask.signal.aborted) return onAbort()
      flow.push(entry)
      turns.add(flow)
      waiting++
    })
  }

  function start (flow: Flow, { caller, tool }: Ask): () => void {
    running++
    flow.count(tool, 1)
    const startedAt = now()
    const cost = costOf(tool)
    let hasEnded = false
    return () => {
      if (hasEnded) return
      hasEnded = true
      running--
      flow.count(tool, -1)
      const tookMs = now() - startedAt
      flow.deficit -= Math.max(leastCostMs, tookMs) - cost // pays for what it took, not for what was guessed
      learn(tool, tookMs)
      letIn()
      forgetIdle(flow, caller)
    }
  }

  function letIn (): void {
    for (let entry = next(); entry !== undefined; entry = next()) entry.start()
  }

  /** The call whose turn it is, if any may run. */
  function next (): Waiting | undefined {
    if (running >= concurrency) return undefined
    let passed = 0
    for (const flow of turns) { // a flow that is added again stands at the end and is visited once more
      const entry = flow.next()
      if (entry !== undefined && flow.deficit >= entry.cost) {
        flow.deficit -= entry.cost
        return entry
      }
      passed = entry === undefined ? passed + 1 : 0
      if (passed >= turns.size) return undefined // each of them is at its own limit
      if (entry !== undefined) flow.deficit += dearestMs // the quantum: no smaller than any cost, so one more visit is enough
      turns.delete(flow)
      turns.add(flow)
    }
    return undefined
  }

  /** The longest queue loses its last, unless it is no longer than that of the newcomer would be. */
  function makeRoom (newcomer: Flow): boolean {
    let longest = newcomer
    for (const flow of turns) if (flow.waiting.length > longest.waiting.length) longest = flow
    if (longest.waiting.length <= newcomer.waiting.length + 1) return false
    longest.waiting.at(-1)?.turnAway({ why: 'overloaded', retryAfterMs: 1_000 })
    return true
  }

  function leaveQueue (flow: Flow, entry: Waiting): void {
    if (!flow.remove(entry)) return
    waiting--
    if (flow.waiting.length === 0) turns.delete(flow)
  }

  /** Milliseconds, if the callers that wait now share what runs evenly. */
  function expectedWait (flow: Flow, { limits, tool, call }: Ask): number {
    return (costOf(tool) + flow.waitingMs) / shareOf(flow, Math.min(limits.concurrency, call.concurrency))
  }

  /** How many calls of the caller may be expected to run at a time. */
  function shareOf (flow: Flow, ownMost: number): number {
    const callers = turns.size + (turns.has(flow) ? 0 : 1)
    return Math.max(1, Math.min(ownMost, most, concurrency / callers))
  }

  function costOf (tool: string): number {
    return costs.get(tool) ?? firstGuessMs
  }

  function learn (tool: string, tookMs: number): void {
    const known = costOf(tool)
    const cost = known * 0.9 + Math.max(leastCostMs, tookMs) * 0.1
    costs.set(tool, cost)
    if (cost > dearestMs || known === dearestMs) dearestMs = Math.max(firstGuessMs, ...costs.values())
  }

  function forgetIdle (flow: Flow, caller: string): void {
    if (flow.running === 0 && flow.waiting.length === 0) flows.delete(caller)
  }

  return { enter, refuses, stats: () => ({ running, waiting, callers: flows.size }) }
}

export type Admission = ReturnType<typeof createAdmission>
