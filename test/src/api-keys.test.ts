import { createHash } from 'node:crypto'
import t from 'tap'
import fc from 'fast-check'
import { newKey, parseKeys, readExpiry } from '../../src/api-keys.ts'

const hash = (key: string): string => `sha256:${createHash('sha256').update(key).digest('hex')}`
const [one, two] = ['key-one-9f2c', 'key-two-71ab']

t.test('a key is found with its id, roles and tenant, and nothing near it', async (t) => {
  const { find, size } = parseKeys(`# keys of the team\n\nci ${hash(one)} roles=reader,writer tenant=acme # of the pipeline\r\n\tops  ${hash(two)}\troles=admin\n`, 'keys')

  t.equal(size, 2)
  t.same(find(one), { id: 'ci', kind: 'api-key', roles: ['reader', 'writer'], tenant: 'acme' })
  t.same(find(two), { id: 'ops', kind: 'api-key', roles: ['admin'] })
  for (const wrong of ['', one + two, one.toUpperCase(), `${one} `, hash(one), hash(one).slice(7), 'ci', '__proto__', 'constructor']) t.equal(find(wrong), undefined, wrong)
  t.throws(() => { (find(one)?.roles as string[]).push('admin') })
})

t.test('a key ends when it expires', async (t) => {
  const { find } = parseKeys(`ci ${hash(one)} roles=a expires=2027-01-31T12:00:00+02:00`, 'keys')
  const end = Date.UTC(2027, 0, 31, 10)
  t.equal(find(one, end - 1)?.id, 'ci')
  for (const now of [end, end + 1, Infinity]) t.equal(find(one, now), undefined)
  t.equal(readExpiry('2027-01-31')?.getTime(), Date.UTC(2027, 0, 31))
  t.equal(readExpiry('2027-01-31T12:00')?.getTime(), Date.UTC(2027, 0, 31, 12), 'without a zone it is UTC')
  for (const no of ['', 'soon', '2027', '31.01.2027', '2027-13-01', '2027-01-31 12:00', '1801396800']) t.equal(readExpiry(no), undefined, no)
})

t.test('a line that is wrong refuses the whole file, by its number and without what it holds', async (t) => {
  const lines: Array<[line: string, reason: RegExp]> = [
    ['ci', /sha256:/], [`ci ${one} roles=a`, /sha256:/], [`ci ${hash(one).toUpperCase()} roles=a`, /sha256:/], [`ci ${hash(one).slice(0, -1)} roles=a`, /sha256:/],
    [`${hash(one)} roles=a`, /sha256:/], [`a,b ${hash(one)} roles=a`, /the id must be/], [`default ${hash(one)} roles=a`, /not anonymous or default/], [`é ${hash(one)} roles=a`, /the id must be/],
    [`ci ${hash(one)}`, /roles= must name/], [`ci ${hash(one)} roles=`, /after the hash/], [`ci ${hash(one)} roles=a,,b`, /roles= must name/], [`ci ${hash(one)} roles=a roles=b`, /twice/], [`ci ${hash(one)} role=a`, /after the hash/],
    [`ci ${hash(one)} roles=a expires=soon`, /expires= must be/], [`ci ${hash(one)} roles=a, b`, /after the hash|roles=/],
    [`good ${hash('other')} roles=a`, /its id stands in the file twice/], [`ci ${hash(two)} roles=a`, /its key stands in the file twice/]
  ]
  for (const [line, reason] of lines) {
    const text = `good ${hash(two)} roles=a\n# a comment\n${line}\n`
    t.throws(() => parseKeys(text, '/etc/keys'), { code: 'MCP_API_KEYS_INVALID', message: reason }, line)
    t.throws(() => parseKeys(text, '/etc/keys'), { message: /^API_KEYS_FILE \/etc\/keys, line 3: [^\n]+$/ })
    t.notMatch(messageOf(text), new RegExp(`${one}|${hash(one).slice(7)}`))
  }
})

t.test('whatever the file holds, it is read whole or refused in one line', async (t) => {
  fc.assert(fc.property(fc.array(fc.constantFrom('ci', ' ', '\n', hash(one), 'roles=', 'a', ',', 'expires=', '2027-01-31', '#', 'tenant=', '\0', 'é'), { maxLength: 30 }), (parts) => /^(read|API_KEYS_FILE [^\n]+)$/.test(messageOf(parts.join('')))))
})

t.test('a new key opens by its own line and is unlike every other', async (t) => {
  const { key, line } = newKey({ id: 'ci', roles: ['reader'], tenant: 'acme', expires: new Date('2027-01-31') })
  t.match(line, /^ci sha256:[0-9a-f]{64} roles=reader tenant=acme expires=2027-01-31T00:00:00\.000Z$/)
  t.equal(line.includes(key), false)
  t.match(parseKeys(line, 'x').find(key, 0), { id: 'ci', roles: ['reader'], tenant: 'acme' })
  t.equal(new Set(Array.from({ length: 1000 }, () => newKey({ id: 'a', roles: ['b'] }).key)).size, 1000)
  for (const bad of [{ id: 'a b', roles: ['r'] }, { id: 'a', roles: [] }, { id: 'a', roles: ['a,b'] }, { id: 'a', roles: ['r'], tenant: 'x y' }, { id: '#', roles: ['r'] }]) t.throws(() => newKey(bad), { code: 'MCP_API_KEYS_INVALID' }, JSON.stringify(bad))
})

function messageOf (text: string): string {
  try {
    parseKeys(text, '/etc/keys')
    return 'read'
  } catch (error) {
    return (error as Error).message
  }
}
