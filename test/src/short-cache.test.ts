import t from 'tap'
import { ShortCache } from '../../src/short-cache.ts'

t.test('keeps for so long, however often it is asked, and no more than so many', async (t) => {
  let now = 0
  let computed = 0
  const cache = new ShortCache<number>({ ttlMs: 100, capacity: 2, now: () => now })
  const ask = async (key: string): Promise<number> => await cache.get(key, async () => ++computed)
  t.equal(await ask('a'), 1)
  for (now = 20; now < 100; now += 20) t.equal(await ask('a'), 1, `${now}`)
  t.equal(await ask('a'), 2, 'a hit keeps its age')
  await ask('b')
  await ask('c')
  t.equal(await ask('b'), 3)
  t.equal(await ask('a'), 5, 'the oldest gave way')
  await t.rejects(cache.get('d', async () => { throw new Error('boom') }), { message: 'boom' })
  t.equal(await ask('d'), 6, 'a failure is not kept')
})
