import t, { type Test } from 'tap'
import { followFile } from '../../src/followed-file.ts'

/** Follows a file that reads as the next of the given texts or errors; resolves when the last was read twice more. */
async function follow (t: Test, seen: string | undefined, reads: Array<string | Error>, refuse: string[] = []): Promise<{ taken: string[], errors: string[] }> {
  const taken: string[] = []
  const errors: string[] = []
  await new Promise<void>((resolve) => {
    let count = 0
    const stop = followFile({
      path: 'unused',
      intervalMs: 1,
      onText: (text) => {
        if (refuse.includes(text)) throw new Error(`no ${text}`)
        taken.push(text)
      },
      onError: ({ message }) => { errors.push(message) },
      read: async () => {
        if (count === reads.length + 2) resolve()
        const next = reads[Math.min(count++, reads.length - 1)] as string | Error
        if (next instanceof Error) throw next
        return next
      }
    }, seen)
    t.teardown(stop)
  })
  return { taken, errors }
}

const keepAlive = setInterval(() => {}, 1000) // the timers of a follower keep no process alive
t.teardown(() => { clearInterval(keepAlive) })
const gone = Object.assign(new Error('gone'), { code: 'ENOENT' })

t.test('a new content is taken once, when two readings agree', async (t) => {
  t.same(await follow(t, 'a', ['a', 'b', 'b', 'b']), { taken: ['b'], errors: [] })
  t.same(await follow(t, 'a', ['a', 'ha', 'half', 'whole', 'whole']), { taken: ['whole'], errors: [] })
  t.same(await follow(t, 'a', ['', 'a', '', 'a']), { taken: [], errors: [] }, 'a file that is being written and ends as it was')
  t.same(await follow(t, 'a', ['b', 'b', 'a', 'a']), { taken: ['b', 'a'], errors: [] })
  t.same(await follow(t, undefined, ['a', 'a']), { taken: ['a'], errors: [] })
})

t.test('what can\'t be used is told once, and what comes after it is taken', async (t) => {
  t.same(await follow(t, 'a', ['bad', 'bad', 'bad', 'c', 'c'], ['bad']), { taken: ['c'], errors: ['no bad'] })
  t.same(await follow(t, 'a', ['bad', 'bad', 'a', 'a'], ['bad']), { taken: ['a'], errors: ['no bad'] }, 'back to what was')
  t.same(await follow(t, 'a', [gone, gone, gone, 'b', 'b']), { taken: ['b'], errors: ['gone'] })
})
