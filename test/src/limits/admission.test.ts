import fc from 'fast-check'
import t from 'tap'
import { createAdmission, type AdmissionOptions, type Ask, type TurnedAway } from '../../../src/limits/admission.ts'

type Turn = (() => void) | TurnedAway

/** An admission with a clock of the test's own, and callers that ask it. */
function admissionOf (options: Partial<AdmissionOptions> = {}) {
  const clock = { now: 0 }
  const admission = createAdmission({ concurrency: 1, queue: 100, maxWaitMs: 1e9, now: () => clock.now, ...options })
  const ask = async (caller: string, parts: Partial<Ask> = {}): Promise<Turn> =>
    await admission.enter({ caller, tool: 'echo', call: { concurrency: Infinity }, limits: { concurrency: Infinity, queue: Infinity }, deadline: clock.now + 1e6, signal: new AbortController().signal, ...parts })
  const run = async (caller: string, parts: Partial<Ask> = {}): Promise<() => void> => {
    const turn = await ask(caller, parts)
    if (typeof turn !== 'function') throw new Error(`turned away: ${turn.why}`)
    return turn
  }
  return { ...admission, ask, run, clock }
}

const settled = async (): Promise<void> => { for (let turn = 0; turn < 20; turn++) await Promise.resolve() }

t.test('as many run as may, the rest in turn, and an end is counted once', async (t) => {
  const { run, stats } = admissionOf({ concurrency: 2 })
  const ends = [await run('a'), await run('b')]
  const third = run('c')
  await settled()
  t.same(stats(), { running: 2, waiting: 1, callers: 3 })
  ends[0]?.()
  ends[0]?.()
  const end = await third
  t.same(stats(), { running: 2, waiting: 0, callers: 2 })
  ends[1]?.()
  end()
  t.same(stats(), { running: 0, waiting: 0, callers: 0 }, 'nothing stays of callers that are done')
})

t.test('callers take turns, however many calls one of them has', async (t) => {
  const { run, clock } = admissionOf()
  const first = await run('flood')
  const order: string[] = []
  const take = async (caller: string): Promise<void> => {
    const end = await run(caller)
    order.push(caller)
    clock.now += 10
    end()
  }
  const all = [...Array.from({ length: 30 }, async () => { await take('flood') }), take('x'), take('y'), take('x'), take('y')]
  await settled()
  first()
  await Promise.all(all)
  t.same(order.filter((caller) => caller !== 'flood'), ['x', 'y', 'x', 'y'])
  t.ok(order.lastIndexOf('y') <= 7, order.join())
})

t.test('turns are shared by time: a caller of slow calls gets fewer of them', async (t) => {
  const { run, clock } = admissionOf()
  const took: Record<string, number> = { slow: 100, quick: 10 }
  const served: Record<string, number> = { slow: 0, quick: 0 }
  const end = await run('other')
  let isOver = false
  const keepAsking = async (name: string): Promise<void> => {
    while (!isOver) {
      const done = await run(name, { tool: name, deadline: 1e12 })
      clock.now += took[name] ?? 0
      served[name] = (served[name] ?? 0) + (took[name] ?? 0)
      if (clock.now > 50_000) isOver = true
      done()
    }
  }
  const all = [...Array.from({ length: 4 }, async () => { await keepAsking('slow') }), ...Array.from({ length: 4 }, async () => { await keepAsking('quick') })]
  await settled()
  end()
  await Promise.all(all)
  const ratio = (served.slow ?? 0) / (served.quick ?? 1)
  t.ok(ratio > 0.7 && ratio < 1.5, `time of slow to quick: ${ratio}`)
})

t.test('a caller whose calls take longer than others of the same tool pays for that', async (t) => {
  const { run, clock } = admissionOf()
  const served: Record<string, number> = { slow: 0, quick: 0 }
  const end = await run('other')
  let isOver = false
  const keepAsking = async (name: string, tookMs: number): Promise<void> => {
    while (!isOver) {
      const done = await run(name, { deadline: 1e12 })
      clock.now += tookMs
      served[name] = (served[name] ?? 0) + tookMs
      if (clock.now > 200_000) isOver = true
      done()
    }
  }
  const all = [...Array.from({ length: 4 }, async () => { await keepAsking('slow', 900) }), ...Array.from({ length: 4 }, async () => { await keepAsking('quick', 9) })]
  await settled()
  end()
  await Promise.all(all)
  const ratio = (served.slow ?? 0) / (served.quick ?? 1)
  t.ok(ratio > 0.7 && ratio < 1.5, `time of slow to quick: ${ratio}`)
})

t.test('one caller never holds all that may run', async (t) => {
  const { run, stats } = admissionOf({ concurrency: 8 })
  const ends = await Promise.all(Array.from({ length: 6 }, async () => await run('a')))
  const waits = run('a')
  await settled()
  t.equal(stats().waiting, 1)
  ends.push(await run('b'), await run('c'))
  t.equal(stats().running, 8)
  for (const end of ends) end()
  ;(await waits)()
})

t.test('a burst is worked off in its order, an overload is not stored up', async (t) => {
  const { run, ask, refuses } = admissionOf({ maxWaitMs: 400 })
  const limits = { concurrency: Infinity, queue: Infinity }
  const end = await run('z')
  const order: number[] = []
  const burst = Array.from({ length: 20 }, async (_, index) => {
    const done = await run('a')
    order.push(index)
    done()
  })
  await settled()
  t.match(await ask('a'), { why: 'too_late' }, '200 ms of calls wait, half of 400 ms: no more of them')
  t.equal(refuses('a', limits, 1_000), true, 'which can be told before a body is read')
  t.equal(refuses('b', limits, 1_000), false, 'of others it can\'t')
  end()
  await Promise.all(burst)
  t.same(order, order.toSorted((a, b) => a - b))
  t.equal(refuses('a', limits, 1_000), false)
  t.type(await ask('a'), 'function')
})

t.test('a caller at its own limit waits, others pass it', async (t) => {
  const { run, ask, stats } = admissionOf({ concurrency: 10 })
  const limits = { concurrency: 1, queue: 1 }
  const end = await run('a', { limits })
  const second = run('a', { limits })
  t.match(await ask('a', { limits }), { why: 'queue_full', retryAfterMs: Number })
  const other = await run('b', { limits })
  t.same(stats(), { running: 2, waiting: 1, callers: 2 })
  other()
  end()
  ;(await second)()
})

t.test('a tool at its limit does not hold back the caller\'s other tools', async (t) => {
  const { run, stats } = admissionOf({ concurrency: 10 })
  const one = { tool: 'one', call: { concurrency: 1 } }
  const end = await run('a', one)
  const waits = run('a', one)
  const other = await run('a', { tool: 'two' })
  t.equal(stats().waiting, 1)
  end()
  ;(await waits)()
  other()
})

t.test('a call that can\'t be in time is turned away at once, and told when to come', async (t) => {
  const { run, ask, clock } = admissionOf()
  const end = await run('a')
  t.match(await ask('b', { deadline: clock.now + 5 }), { why: 'too_late', retryAfterMs: 100 })
  clock.now += 1_000
  end() // the tool was seen to take long
  const again = await run('a')
  t.match(await ask('b', { deadline: clock.now + 50 }), { why: 'too_late', retryAfterMs: 109 })
  again()
})

t.test('a call that waits past its time is turned away, and one whose client leaves is forgotten', async (t) => {
  const { run, ask, stats } = admissionOf({ maxWaitMs: 20 })
  const end = await run('a')
  t.match(await ask('b'), { why: 'too_late' })
  const client = new AbortController()
  const left = ask('b', { signal: client.signal })
  await settled()
  client.abort(new Error('gone'))
  await t.rejects(left, { message: 'gone' })
  await t.rejects(ask('b', { signal: client.signal }), { message: 'gone' }, 'also when it has left before')
  t.same(stats(), { running: 1, waiting: 0, callers: 1 })
  end()
})

t.test('when the queue is full, whoever has most in it gives way', async (t) => {
  const { run, ask, stats } = admissionOf({ queue: 10 })
  const end = await run('z')
  const flood = Array.from({ length: 10 }, async () => await ask('flood'))
  await settled()
  t.equal(stats().waiting, 10)
  t.match(await ask('flood'), { why: 'overloaded' })
  const quiet = ask('quiet')
  t.match(await flood[9], { why: 'overloaded' }, 'its last')
  t.equal(stats().waiting, 10)
  end()
  for (const turn of [...flood.slice(0, 9), quiet]) turn.then((turn) => { if (typeof turn === 'function') turn() }, () => {})
  await Promise.all([...flood, quiet])
  t.same(stats(), { running: 0, waiting: 0, callers: 0 })
})

t.test('whatever comes, no bound is passed, nobody waits while there is room, and all of it ends', async (t) => {
  const step = fc.record({ caller: fc.constantFrom('a', 'b', 'c'), tool: fc.constantFrom('x', 'y'), what: fc.constantFrom('ask', 'ask', 'ask', 'end', 'end', 'leave'), pick: fc.nat(50), pause: fc.nat(30) })
  const bounds = fc.record({ concurrency: fc.integer({ min: 1, max: 4 }), queue: fc.nat(6), own: fc.integer({ min: 1, max: 3 }), ofTool: fc.integer({ min: 1, max: 3 }), ownQueue: fc.nat(4) })
  await fc.assert(fc.asyncProperty(bounds, fc.array(step, { maxLength: 60 }), async ({ concurrency, queue, own, ofTool, ownQueue }, steps) => {
    const { ask, stats, clock } = admissionOf({ concurrency, queue })
    const most = Math.min(own, Math.max(1, Math.floor(concurrency * 3 / 4)))
    const running: Array<{ caller: string, tool: string, end: () => void }> = []
    const waiting: Array<{ client: AbortController, caller: string, tool: string }> = []
    const all: Array<Promise<unknown>> = []
    const check = (): void => {
      const { running: counted, waiting: waits } = stats()
      if (counted !== running.length || waits !== waiting.length) throw new Error(`counts ${counted} and ${waits}, is ${running.length} and ${waiting.length}`)
      if (counted > concurrency || waits > queue) throw new Error('past a bound')
      const of = (caller: string, tool?: string): number => running.filter((call) => call.caller === caller && (tool === undefined || call.tool === tool)).length
      for (const { caller, tool } of running) if (of(caller) > most || of(caller, tool) > ofTool) throw new Error('past a caller\'s bound')
      for (const { caller, tool } of waiting) if (counted < concurrency && of(caller) < most && of(caller, tool) < ofTool) throw new Error('waits though there is room')
    }
    for (const { caller, tool, what, pick, pause } of steps) {
      clock.now += pause
      if (what === 'ask') {
        const entry = { client: new AbortController(), caller, tool }
        waiting.push(entry)
        all.push(ask(caller, { tool, call: { concurrency: ofTool }, limits: { concurrency: own, queue: ownQueue }, signal: entry.client.signal, deadline: clock.now + 1e6 }).then((turn) => {
          if (typeof turn === 'function') running.push({ caller, tool, end: turn })
        }, () => {}).finally(() => { waiting.splice(waiting.indexOf(entry), 1) }))
      } else if (what === 'leave') waiting[pick % waiting.length]?.client.abort(new Error('left'))
      else if (running.length > 0) running.splice(pick % running.length, 1)[0]?.end()
      await settled()
      check()
    }
    while (running.length > 0) {
      running.shift()?.end()
      await settled()
      check()
    }
    await Promise.all(all)
    if (JSON.stringify(stats()) !== JSON.stringify({ running: 0, waiting: 0, callers: 0 })) throw new Error(`left over: ${JSON.stringify(stats())}`)
  }), { numRuns: 300 })
  t.pass('300 histories')
})
