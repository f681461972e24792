import fc from 'fast-check'
import t from 'tap'
import { createBuckets } from '../../../src/limits/buckets.ts'

t.test('a bucket gives what it holds, then what it refills, and the wait it names is enough', async (t) => {
  let clock = 0
  const { take } = createBuckets(() => clock)
  for (let taken = 0; taken < 60; taken++) t.equal(take('a', 60), 0)
  const waitMs = take('a', 60) as number
  t.equal(waitMs, 1000)
  t.equal(take('b', 60), 0, 'another key has its own')
  clock += waitMs - 1
  t.equal(take('a', 60), 1)
  clock += 1
  t.equal(take('a', 60), 0)
  t.equal(take('a', Infinity), 0)
  clock += 1e9
  t.equal(take('a', 60, 60), 0, 'it never holds more')
  t.equal(take('a', 60), 1000)
})

t.test('never more than the bucket and its refill, whatever the times, and a wait that was waited works', async () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 2000 }), fc.array(fc.tuple(fc.nat(3000), fc.integer({ min: 1, max: 5 })), { maxLength: 200 }), (perMinute, steps) => {
    let clock = 0
    let taken = 0
    const { take } = createBuckets(() => clock)
    for (const [pause, tokens] of steps) {
      clock += pause
      let waitMs = take('k', perMinute, tokens) as number
      if (waitMs > 0 && tokens <= perMinute) {
        clock += waitMs
        waitMs = take('k', perMinute, tokens) as number
        if (waitMs !== 0) throw new Error(`waited, and ${waitMs} more`)
      }
      if (waitMs === 0) taken += tokens
      if (taken > perMinute + clock * perMinute / 60_000 + 1e-6) throw new Error(`${taken} of ${perMinute} per minute in ${clock} ms`)
    }
  }))
})

t.test('buckets that are full again are forgotten, others stay', async (t) => {
  let clock = 0
  const { take, forgetFull, size } = createBuckets(() => clock)
  take('quick', 6000)
  take('slow', 1)
  clock += 100
  forgetFull()
  t.equal(size(), 1)
  t.not(take('slow', 1), 0)
  clock += 60_000
  forgetFull()
  t.equal(size(), 0)
})
