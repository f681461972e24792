import fc from 'fast-check'
import t from 'tap'
import { createBuckets } from '../../../src/limits/buckets.ts'
import { createLeases, type Ask } from '../../../src/limits/leases.ts'

/** A store such as the SQL one, in memory. */
function storeAt (clock: () => number): { ask: Ask, asked: () => number } {
  const tokens = new Map<string, { left: number, at: number }>()
  let asked = 0
  return {
    asked: () => asked,
    ask: async (key, perMinute, most, wanted, isAllOrNothing) => {
      asked++
      const bucket = tokens.get(key) ?? { left: perMinute, at: clock() }
      const available = Math.min(perMinute, bucket.left + (clock() - bucket.at) * perMinute / 60_000)
      const granted = isAllOrNothing && available < wanted ? 0 : Math.min(Math.floor(available), Math.max(wanted, Math.min(most, Math.floor(available / 8))))
      tokens.set(key, { left: available - granted, at: clock() })
      return { granted, left: available - granted }
    }
  }
}

t.test('replicas together let through what the bucket holds, to the last token', async (t) => {
  for (const perMinute of [1, 7, 60, 600, 5000]) {
    const store = storeAt(() => 0)
    const replicas = Array.from({ length: 4 }, () => createLeases(store.ask, () => 0))
    let taken = 0
    let refusedInARow = 0
    for (let turn = 0; refusedInARow < 8; turn++) {
      if (await replicas[turn % 4]?.take('k', perMinute) === 0) {
        taken++
        refusedInARow = 0
      } else refusedInARow++
    }
    t.equal(taken, perMinute, `${perMinute} per minute`)
    t.ok(store.asked() <= 8 + 4 * 60, `${store.asked()} questions for ${perMinute}`)
  }
})

t.test('a busy caller costs few questions, also when many ask at once', async (t) => {
  const store = storeAt(() => 0)
  const { take } = createLeases(store.ask, () => 0)
  const waits = await Promise.all(Array.from({ length: 500 }, async () => await take('k', 6000)))
  t.ok(waits.every((wait) => wait === 0))
  t.equal(store.asked(), 1)
  for (let call = 0; call < 5000; call++) t.equal(await take('k', 6000), 0)
  t.ok(store.asked() < 40, String(store.asked()))
})

t.test('when nothing is left the store is left alone until there is', async (t) => {
  let clock = 0
  const store = storeAt(() => clock)
  const { take } = createLeases(store.ask, () => clock)
  t.equal(await take('k', 1), 0)
  const waitMs = await take('k', 1)
  t.equal(waitMs, 60_000)
  const asked = store.asked()
  for (let call = 0; call < 100; call++) t.ok(await take('k', 1) > 0)
  t.equal(store.asked(), asked)
  clock += waitMs
  t.equal(await take('k', 1), 0, 'the wait it named is enough')
})

t.test('a quiet caller is not starved by what its replicas hold', async (t) => {
  let clock = 0
  const store = storeAt(() => clock)
  const replicas = Array.from({ length: 4 }, () => createLeases(store.ask, () => clock))
  for (let minute = 0; minute < 20; minute++) {
    for (const { take } of replicas) { // 40 calls a minute of 60
      for (let call = 0; call < 10; call++) {
        clock += 1500
        t.equal(await take('k', 60), 0)
      }
    }
  }
})

t.test('a store that does not answer fails the calls that need it, and later ones ask again', async (t) => {
  let isDown = true
  const store = storeAt(() => 0)
  const { take } = createLeases(async (...args) => {
    if (isDown) throw new Error('down')
    return await store.ask(...args)
  }, () => 0)
  await t.rejects(Promise.all([take('k', 60), take('k', 60)]), { message: 'down' })
  isDown = false
  t.equal(await take('k', 60), 0)
})

t.test('a batch takes all or nothing, and the wait it is told is enough', async (t) => {
  let clock = 0
  const { take } = createLeases(storeAt(() => clock).ask, () => clock)
  t.equal(await take('k', 120, 60), 0)
  const waitMs = await take('k', 120, 100)
  t.equal(waitMs, 20_000)
  t.equal(await take('k', 120, 100), waitMs, 'asking drains nothing')
  clock += waitMs
  t.equal(await take('k', 120, 100), 0)
})

t.test('what a lease holds is lost when it ends', async (t) => {
  let clock = 0
  const store = storeAt(() => clock)
  const { take } = createLeases(store.ask, () => clock)
  while (store.asked() < 6) await take('k', 6000) // the block has grown
  clock += 10_001
  const asked = store.asked()
  await take('k', 6000)
  t.equal(store.asked(), asked + 1)
})

t.test('leases that ended are forgotten', async (t) => {
  let clock = 0
  const { take, forgetFull, size } = createLeases(storeAt(() => clock).ask, () => clock)
  await take('k', 60)
  forgetFull()
  t.equal(size(), 1)
  clock += 3_600_000
  forgetFull()
  t.equal(size(), 0)
})

t.test('never more than one bucket would let through plus what is leased out, whatever the times', async (t) => {
  t.equal(createBuckets().take('x', Infinity), 0)
  await fc.assert(fc.asyncProperty(fc.integer({ min: 1, max: 500 }), fc.array(fc.tuple(fc.nat(2000), fc.nat(2), fc.integer({ min: 1, max: 4 })), { maxLength: 150 }), async (perMinute, steps) => {
    let clock = 0
    let taken = 0
    const store = storeAt(() => clock)
    const replicas = Array.from({ length: 3 }, () => createLeases(store.ask, () => clock))
    for (const [pause, replica, tokens] of steps) {
      clock += pause
      if (await replicas[replica]?.take('k', perMinute, tokens) === 0) taken += tokens
      if (taken > perMinute + clock * perMinute / 60_000 + 1e-6) throw new Error(`${taken} of ${perMinute} per minute in ${clock} ms`)
    }
  }), { numRuns: 300 })
})
