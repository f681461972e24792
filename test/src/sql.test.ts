import fc from 'fast-check'
import t from 'tap'
import { parseJsonb } from '../../src/jsonb.ts'
import { and, column, containing, isoTime, sql, Sql } from '../../src/sql.ts'
import { storable } from '../../src/storable.ts'
import { emptyDatabase, runSql } from '../helpers/postgres.ts'

t.test('values become parameters, never text', async (t) => {
  const evil = '\'; drop table records; --'
  const { text, values } = sql`select ${evil}, ${1}, ${null} from t`
  t.equal(text, 'select $1, $2, $3 from t')
  t.same(values, [evil, 1, null])
})

t.test('fragments are spliced in, their parameters numbered anew, however they nest', async (t) => {
  const one = sql`a = ${1}`
  t.equal(sql`select * from t where ${and([one, sql`b = ${2}`, one])} limit ${3}`.text, 'select * from t where a = $1 and b = $2 and a = $3 limit $4')
  t.same(sql`x ${and([])}`.text, 'x true')
  fc.assert(fc.property(fc.array(fc.array(fc.integer(), { maxLength: 4 }), { maxLength: 5 }), (groups) => {
    const whole = groups.reduce<Sql>((before, group) => sql`${before} [${group.reduce<Sql>((inner, value) => sql`${inner}${value};`, sql``)}]`, sql``)
    const numbers = [...whole.text.matchAll(/\$(\d+)/g)].map(([, number]) => Number(number))
    return numbers.length === whole.values.length && numbers.every((number, index) => number === index + 1) && JSON.stringify(whole.values) === JSON.stringify(groups.flat())
  }))
})

t.test('identifiers come from a closed set, quoted', async (t) => {
  t.equal(column('status', ['status']).text, '"status"')
  t.equal(column('od"d', ['od"d']).text, '"od""d"')
  for (const name of ['id', 'status; drop table x', '', '__proto__']) t.throws(() => column(name, ['status', 'type']), TypeError)
})

t.test('the special characters of LIKE are taken literally', async (t) => {
  t.equal(containing('50%_\\'), '%50\\%\\_\\\\%')
  fc.assert(fc.property(fc.string(), (text) => containing(text).slice(1, -1).replace(/\\([\\%_])/g, '$1') === text))
})

t.test('what PostgreSQL can\'t store is replaced, in text, lists and objects alike', async (t) => {
  t.equal(storable('a\0b\ud800c😀'), 'a\ufffdb\ufffdc😀')
  t.same(storable(['\0', ['\udfff']]), ['\ufffd', ['\ufffd']])
  t.equal(storable({ a: '\0', b: ['\ud800'] }), '{"a":"\ufffd","b":["\ufffd"]}')
  const date = new Date()
  for (const value of [null, undefined, 1, true, date]) t.equal(storable(value), value)
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => { const stored = storable(text) as string; return stored.isWellFormed() && !stored.includes('\0') }))
})

t.test('whole numbers that a double can\'t hold become text, everything else is plain JSON', async (t) => {
  t.same(parseJsonb('{"a":9007199254740993,"b":[-12345678901234567890],"c":0.1234567890123456789,"d":1e3}'), { a: '9007199254740993', b: ['-12345678901234567890'], c: Number('0.1234567890123456789'), d: 1000 })
  t.same(parseJsonb('{"a":9007199254740991,"b":"12345678901234567890"}'), { a: 9007199254740991, b: '12345678901234567890' })
  fc.assert(fc.property(fc.jsonValue({ maxDepth: 3 }), (value) => { t.same(parseJsonb(JSON.stringify(value)), JSON.parse(JSON.stringify(value))) }), { numRuns: 50 })
})

t.test('times are ISO 8601 in UTC, whatever the time zone of the session', async (t) => {
  const url = await emptyDatabase(t)
  const times = ['2026-01-01 00:00:00.123456+00', '2026-07-01 00:00:00+00', 'infinity', '-infinity', '0044-03-15 00:00:00+00 BC', '12345-06-07 08:09:10.5+00', '4714-11-24 00:00:00+00 BC']
  for (const zone of ['UTC', 'Asia/Kolkata', 'America/St_Johns']) {
    const [, result] = await runSql(url, `set timezone = '${zone}'`, `select ${isoTime(sql`at`).text} as iso from unnest('{${times.join()}}'::timestamptz[]) at`)
    t.same(result?.rows.map(({ iso }) => iso), ['2026-01-01T00:00:00.123456+00:00', '2026-07-01T00:00:00+00:00', 'infinity', '-infinity', '0044-03-15T00:00:00+00:00 BC', '12345-06-07T08:09:10.5+00:00', '4714-11-24T00:00:00+00:00 BC'], zone)
  }
})
