import t from 'tap'
import { createLoopSource, memorySources, overloadTexts } from '../../src/pressure.ts'
import { createSpellLog } from '../../src/spell-log.ts'

t.test('one late sample is a pause, two running are overload', async (t) => {
  const loop = createLoopSource(250)
  const after = (...delays: number[]): boolean => {
    for (const delay of delays) loop.sample(delay)
    return loop.isPressing()
  }

  t.equal(after(), false)
  t.equal(after(Infinity), false)
  t.equal(after(10), false)
  t.equal(after(251), false)
  t.equal(after(251), true)
  t.equal(after(9_000), true)
  t.equal(after(250), false)
  t.equal(after(300, 20, 300), false)
})

t.test('memory above its bound lets one request a second pass, so that it can be collected', async (t) => {
  const usage = { heapUsed: 0, rssBytes: 0 }
  const [heap, resident] = memorySources({ SHED_HEAP_PERCENT: 50, SHED_RSS_BYTES: 1_000 }, () => usage)
  t.same([heap?.name, resident?.name], ['heap', 'resident memory'])
  t.equal(resident?.isPressing(), false)

  usage.rssBytes = 1_001
  usage.heapUsed = Number.MAX_SAFE_INTEGER
  for (const source of [heap, resident]) {
    t.equal(source?.isPressing(), false, 'one passes')
    t.equal([...Array(100)].filter(() => source?.isPressing() === false).length <= 1, true, 'the rest does not')
  }
  usage.rssBytes = 1_000
  t.equal(resident?.isPressing(), false)
})

t.test('what is switched off is not asked', async (t) => {
  t.same(memorySources({ SHED_HEAP_PERCENT: 0, SHED_RSS_BYTES: 0 }, () => { throw new Error('asked') }), [])
})

t.test('a spell is told when it begins, of each that causes it, and at its end with what it cost', async (t) => {
  const lines: unknown[] = []
  const log = { warn: (...line: unknown[]) => { lines.push(line) }, info: (...line: unknown[]) => { lines.push(line); ended() } }
  let ended = (): void => {}
  const end = new Promise<void>((resolve) => { ended = resolve })
  const spells = createSpellLog(log as never, overloadTexts, 5)
  const alive = setInterval(() => {}, 1_000)
  t.teardown(() => { clearInterval(alive) })

  for (const source of ['heap', 'heap', 'pool']) spells.refused(source)
  await end
  spells.close()
  t.same(lines, [[{ source: 'heap' }, 'overloaded: requests are refused'], [{ source: 'pool' }, 'overloaded: requests are refused'], [{ refused: 3, sources: ['heap', 'pool'] }, 'no longer overloaded']])

  spells.refused('pool')
  spells.close()
  t.same(lines.slice(3), [[{ source: 'pool' }, 'overloaded: requests are refused'], [{ refused: 1, sources: ['pool'] }, 'no longer overloaded']], 'the next one counts anew, and the end of the server ends it')
})
