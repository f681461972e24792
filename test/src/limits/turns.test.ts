import { AsyncLocalStorage } from 'node:async_hooks'
import t from 'tap'
import { createTurns } from '../../../src/limits/turns.ts'

const afterImmediates = async (times: number): Promise<void> => { for (let time = 0; time < times; time++) await new Promise((resolve) => { setImmediate(resolve) }) }

t.test('callers take turns, one request in each turn of the event loop', async (t) => {
  const { wait, waiting } = createTurns()
  const order: string[] = []
  for (let request = 0; request < 5; request++) wait('flood', () => { order.push('flood') })
  wait('a', () => { order.push('a') })
  wait('b', () => { order.push('b') })
  t.same(order, [], 'nobody goes on before those that arrived at the same time were read')
  t.equal(waiting(), 7)
  await afterImmediates(1)
  t.same(order, ['flood'])
  await afterImmediates(7)
  t.same(order, ['flood', 'a', 'b', 'flood', 'flood', 'flood', 'flood'])
  t.equal(waiting(), 0)
  wait('a', () => { order.push('again') })
  await afterImmediates(1)
  t.equal(order.at(-1), 'again')
})

t.test('when the oldest waits too long the newest goes first', async (t) => {
  let clock = 0
  const { wait } = createTurns(() => clock)
  const order: number[] = []
  for (const request of [1, 2, 3]) wait('a', () => { order.push(request) })
  clock += 101
  wait('a', () => { order.push(4) })
  await afterImmediates(1)
  clock -= 101
  await afterImmediates(3)
  t.same(order, [4, 1, 2, 3])
})

t.test('the wait that is expected follows the pace, and is short for whoever asks little', async (t) => {
  let clock = 0
  const { wait, expectedWait } = createTurns(() => clock)
  t.equal(expectedWait('a'), 0)
  for (let request = 0; request < 300; request++) wait('flood', () => { clock += 0.3 })
  await afterImmediates(200)
  t.ok(expectedWait('flood') > 29 && expectedWait('flood') <= 40, String(expectedWait('flood')))
  clock += 101
  t.ok(expectedWait('flood') <= 1, 'the newest goes first')
  t.ok(expectedWait('quiet') <= 1, String(expectedWait('quiet')))
  await afterImmediates(101)
  t.equal(expectedWait('flood'), 0)
})

t.test('each goes on in its own context', async (t) => {
  const turns = createTurns()
  const request = new AsyncLocalStorage<number>()
  const seen = await Promise.all([1, 2, 3].map(async (id) => await new Promise((resolve) => {
    request.run(id, () => { turns.wait('a', () => { resolve(request.getStore()) }) })
  })))
  t.same(seen, [1, 2, 3])
})
