import t from 'tap'
import fc from 'fast-check'
import { storable, storableText } from '../../src/storable.ts'

const nul = '\0'
const loneHigh = '\uD83D'
const loneLow = '\uDE00'

/** What PostgreSQL refuses as text, and in jsonb also as an escape. */
const isRefusedText = (text: string): boolean => text.includes(nul) || !text.isWellFormed()
const isRefusedJson = (text: string): boolean => isRefusedText(text) || /\\u(0000|d[89a-f])/i.test(text.replaceAll('\\\\', ''))

t.test('text that PostgreSQL can store stays as it is', async (t) => {
  for (const text of ['', 'a', 'Grüße', '名前', '😀', '\u2028\u2029', '\t\r\n', '\\u0000', '%_\\', '\uFEFF', '\uFFFD', '\u0001\u007f']) t.equal(storableText(text), text, encodeURIComponent(text))
})

t.test('NUL and each unpaired surrogate become one replacement character', async (t) => {
  const cases = [
    [nul, '\uFFFD'],
    [`a${nul}b`, 'a\uFFFDb'],
    [`${nul}${nul}`, '\uFFFD\uFFFD'],
    [loneHigh, '\uFFFD'],
    [`${loneLow}x`, '\uFFFDx'],
    [`${loneLow}${loneHigh}`, '\uFFFD\uFFFD'],
    [`${loneHigh}${loneHigh}${loneLow}`, '\uFFFD😀'],
    [`😀${nul}${loneLow}`, '😀\uFFFD\uFFFD']
  ] as const
  for (const [text, stored] of cases) {
    t.equal(storableText(text), stored, JSON.stringify(text))
    t.equal(storable(text), stored, JSON.stringify(text))
  }
})

t.test('any text at all becomes storable, in as many characters, and stays so', async (t) => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), fc.array(fc.constantFrom(nul, loneHigh, loneLow, 'x')), (text, hostile) => {
    const stored = storableText(text + hostile.join(''))
    return !isRefusedText(stored) && stored.length === text.length + hostile.length && storableText(stored) === stored
  }))
})

t.test('what is neither text nor a plain object passes untouched', async (t) => {
  const values = [null, undefined, 0, -1.5, Number.NaN, true, false, 12345678901234567890n, new Date(0), Buffer.from('\0'), new Uint8Array([0])]
  for (const value of values) t.ok(Object.is(storable(value), value), typeof value)
})

t.test('an array stays an array, each element made storable', async (t) => {
  t.same(storable(['a', nul, 1, null]), ['a', '\uFFFD', 1, null])
  t.same(storable([[nul], [loneHigh]]), [['\uFFFD'], ['\uFFFD']])
  t.same(storable([{ a: nul }]), ['{"a":"\uFFFD"}'])
  t.same(storable([]), [])
})

t.test('an object becomes JSON text, its strings storable at any depth', async (t) => {
  const stored = storable({ a: nul, list: ['x', loneLow, { deep: [`y${loneHigh}`] }], n: 1, none: null, yes: true })

  t.equal(stored, '{"a":"\uFFFD","list":["x","\uFFFD",{"deep":["y\uFFFD"]}],"n":1,"none":null,"yes":true}')
})

t.test('an object keeps text that only looks like an escape', async (t) => {
  t.same(JSON.parse(storable({ a: '\\u0000', b: '\\ud800' }) as string), { a: '\\u0000', b: '\\ud800' })
})

t.test('the keys of an object become storable too', async (t) => {
  for (const key of [nul, `a${nul}`, loneHigh, loneLow]) {
    for (const value of [{ [key]: 1 }, { outer: { [key]: 1 } }, { list: [{ [key]: 1 }] }]) t.equal(isRefusedJson(storable(value) as string), false, JSON.stringify(value))
  }
})

t.test('the value that it is given stays as it was', async (t) => {
  const value = { a: nul, list: [loneHigh] }
  const list = [nul]

  storable(value)
  storable(list)

  t.same(value, { a: nul, list: [loneHigh] })
  t.same(list, [nul])
})
