import t from 'tap'
import { createInFlight } from '../../../src/limits/in-flight.ts'

t.test('a caller has its own bound, and what it leaves is free again', async (t) => {
  const { enter, leave, stats } = createInFlight(100)
  for (let request = 0; request < 3; request++) t.equal(enter('a', 3), undefined)
  t.equal(enter('a', 3), 'too_many')
  t.equal(enter('b', 3), undefined)
  leave('a')
  t.equal(enter('a', 3), undefined)
  for (const caller of ['a', 'a', 'a', 'b']) leave(caller)
  t.same(stats(), { total: 0, callers: 0 })
})

t.test('past the bound for all, whoever has less than an even share still gets in', async (t) => {
  const { enter, stats } = createInFlight(10)
  for (let request = 0; request < 10; request++) t.equal(enter('flood', 100), undefined)
  t.equal(enter('flood', 100), 'overloaded')
  for (let request = 0; request < 5; request++) t.equal(enter('quiet', 100), undefined, String(request))
  t.equal(enter('quiet', 100), 'overloaded')
  t.equal(stats().total, 15)
})
