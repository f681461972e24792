import t from 'tap'
import fc from 'fast-check'
import { parseJsonb } from '../../src/jsonb.ts'

const beyond = '9007199254740993' // 2^53 + 1: a double would say …992

t.test('ordinary JSON is read as JSON.parse reads it', async (t) => {
  for (const text of ['null', 'true', 'false', '0', '-0', '1.5', '-1e3', '""', '"a\\u00e9\\n"', '[]', '{}', ' [1, {"a": null}] ', '{"a":{"b":[1,2,3]}}']) t.same(parseJsonb(text), JSON.parse(text), text)
  fc.assert(fc.property(fc.json(), (text) => { t.same(parseJsonb(text), JSON.parse(text), text) }), { numRuns: 200 })
})

t.test('a whole number that a double can\'t hold becomes its own digits', async (t) => {
  for (const digits of [beyond, `-${beyond}`, '9223372036854775807', '-9223372036854775808', '12345678901234567890', '100000000000000000000001', '1'.repeat(400), `1${'0'.repeat(400)}`]) {
    t.equal(parseJsonb(digits), digits)
    t.same(parseJsonb(`{"id": ${digits}, "list": [${digits}, 1]}`), { id: digits, list: [digits, 1] })
  }
})

t.test('whole numbers that a double holds stay numbers', async (t) => {
  for (const number of [0, 1, -1, 999_999_999_999_999, 1_000_000_000_000_000, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]) t.equal(parseJsonb(String(number)), number)
})

t.test('no whole number ever turns into another one', async (t) => {
  fc.assert(fc.property(fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n }), (number) => {
    const parsed = parseJsonb(`[${number}]`) as [number | string]
    return BigInt(parsed[0]) === number
  }))
})

t.test('a whole number written with a fraction or an exponent is not rounded either', async (t) => {
  for (const text of ['12345678901234567.0', '12345678901234567e0', '1e400']) {
    const parsed = parseJsonb(text)
    t.equal(typeof parsed, 'string', `${text} became ${String(parsed)}`)
  }
})

t.test('fractions become doubles, however many digits they are written with', async (t) => {
  for (const text of ['0.1', '0.12345678901234567890', '3.14159265358979323846264338', '-0.0000000000000000000001']) t.equal(parseJsonb(text), Number(text))
})

t.test('a long run of digits inside text stays text', async (t) => {
  t.same(parseJsonb('{"card":"4111111111111111","4111111111111111":"\\u00e9\\"\\\\"}'), { card: '4111111111111111', 4111111111111111: 'é"\\' })
})

t.test('keys named like parts of an object are plain keys and leave the prototype alone', async (t) => {
  for (const number of ['1', beyond]) {
    const parsed = parseJsonb(`{"__proto__": {"polluted": true}, "constructor": ${number}}`) as object
    t.equal(Object.getPrototypeOf(parsed), Object.prototype)
    t.same(Object.keys(parsed), ['__proto__', 'constructor'])
    t.equal((parsed as { polluted?: boolean }).polluted, undefined)
  }
})

t.test('a json column may hold a key twice; the last one counts, beside a large number too', async (t) => {
  t.same(parseJsonb('{"a": 1, "a": 2}'), { a: 2 })
  t.same(parseJsonb(`{"a": 1, "a": 2, "n": ${beyond}}`), { a: 2, n: beyond })
})

t.test('nesting that PostgreSQL stores is read, beside a large number too', async (t) => {
  for (const number of ['1', beyond]) {
    let inner = parseJsonb(`${'['.repeat(5000)}${number}${']'.repeat(5000)}`)
    while (Array.isArray(inner)) inner = inner[0]
    t.equal(String(inner), number)
  }
})
