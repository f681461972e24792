import fc from 'fast-check'
import t from 'tap'
import { createCursors } from '../../src/cursor.ts'
import type { Principal } from '../../src/mcp/tool.ts'

const secret = 'the secret of all the replicas here'
const caller: Principal = { id: 'ann', kind: 'api-key', roles: ['reader'], tenant: 'acme' }
const bound = ['battery', 'newest', null]
const position = ['2026-01-01T00:00:00.123456+00:00', '6f2c1d0e-0000-4000-8000-000000000000']

t.test('a cursor opens for its caller, tool and search, on every replica', (t) => {
  const cursor = createCursors(secret)(caller, 'search_records').seal(position, bound)
  t.same(createCursors(secret)({ ...caller, roles: ['other'] }, 'search_records').open(cursor, bound), position)
  t.match(cursor, /^[\w-]+$/)
  t.notMatch(Buffer.from(cursor, 'base64url').toString('latin1'), /2026|6f2c1d0e|battery/, 'and nobody can read it')
  fc.assert(fc.property(fc.array(fc.string({ unit: 'grapheme' })), fc.jsonValue(), (any, json) => {
    const cursors = createCursors(secret)(caller, 'x')
    return JSON.stringify(cursors.open(cursors.seal(any, json as never), json as never)) === JSON.stringify(any)
  }))
  t.end()
})

// S6: none of at least 100,000 forged, borrowed or late cursors opens
t.test('cursors that were altered, borrowed, made up or kept too long do not open', (t) => {
  let time = 1_000_000
  const cursorsOf = createCursors(secret, () => time)
  const own = cursorsOf(caller, 'search_records')
  let tried = 0
  const refused = (open: () => unknown): void => {
    tried++
    try {
      open()
      t.fail(`attempt ${tried} opened`)
    } catch (error) {
      if ((error as { code?: string }).code !== 'invalid_argument') t.fail(`attempt ${tried} failed with ${String(error)}`)
    }
  }
  const flipped = (cursor: string, bit: number): string => {
    const bytes = Buffer.from(cursor, 'base64url')
    bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7))
    return bytes.toString('base64url')
  }

  for (let round = 0; round < 60; round++) {
    const cursor = own.seal(position, bound)
    for (let bit = 0; bit < Buffer.from(cursor, 'base64url').length * 8; bit++) refused(() => own.open(flipped(cursor, bit), bound))
  }

  const others: Principal[] = [{ ...caller, id: 'bob' }, { ...caller, kind: 'oauth' }, { ...caller, tenant: 'other' }, { ...caller, tenant: undefined }, { id: 'anonymous', kind: 'anonymous', roles: [] }]
  const bounds = [['Battery', 'newest', null], ['battery', 'rank', null], ['battery', 'newest', 'active'], [], null]
  for (let round = 0; round < 2_000; round++) {
    const cursor = own.seal([...position, String(round)], bound)
    for (const other of others) refused(() => cursorsOf(other, 'search_records').open(cursor, bound))
    for (const another of bounds) refused(() => own.open(cursor, another))
    refused(() => cursorsOf(caller, 'list_stale_records').open(cursor, bound))
    refused(() => createCursors('the secret of some other deployment')(caller, 'search_records').open(cursor, bound))
    const last = Buffer.from(cursor, 'base64url')
    refused(() => own.open(Buffer.concat([last.subarray(0, 20), last.subarray(21 + round % (last.length - 21))]).toString('base64url'), bound))
    refused(() => own.open(`${cursor}${round % 2 === 0 ? '=' : '\n'}`, bound))
    refused(() => own.open(cursor.slice(0, round % cursor.length), bound))
    time += 3_600_000
    refused(() => own.open(cursor, bound))
  }
  fc.assert(fc.property(fc.string(), (made) => { refused(() => own.open(made, bound)) }), { numRuns: 20_000 })

  t.ok(tried >= 100_000, `${tried} were tried`)
  const cursor = own.seal(position, bound)
  time += 3_599_999
  t.same(own.open(cursor, bound), position, 'and a good one does, to the last of its hour')
  t.end()
})
