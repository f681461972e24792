import t from 'tap'
import { ShortCache } from '../../src/short-cache.ts'

t.test('keeps a value for its time, and no more values than it may', (t) => {
  let time = 0
  const cache = new ShortCache<number>({ ttlMs: 100, capacity: 2, now: () => time })
  cache.set('a', 1)
  time = 99
  t.equal(cache.get('a'), 1)
  time = 100
  t.equal(cache.get('a'), undefined)

  cache.set('a', 2)
  cache.set('b', 3)
  cache.set('a', 4)
  cache.set('c', 5)
  t.same(['a', 'b', 'c'].map((key) => cache.get(key)), [4, undefined, 5], 'the oldest went')
  t.end()
})
