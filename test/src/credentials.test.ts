import type { IncomingMessage } from 'node:http'
import t from 'tap'
import fc from 'fast-check'
import { createKeyCheck, presentedKey, type Presented } from '../../src/credentials.ts'

const key = 'q7Wm2vX9pL4zR8tB6nC3'
const other = 'Z3kT8sN5dJ1yH6gF4cV0'
const none: Presented = { kind: 'none' }
const ambiguous: Presented = { kind: 'ambiguous' }
const presents = (...rawHeaders: string[]): Presented => presentedKey({ rawHeaders } as IncomingMessage)

t.test('a request without credentials presents none', async (t) => {
  t.same(presents(), none)
  t.same(presents('Host', 'localhost', 'Cookie', `key=${key}`, 'Proxy-Authorization', `Bearer ${key}`), none)
})

t.test('a bearer key is read, its scheme in any case', async (t) => {
  for (const scheme of ['Bearer', 'bearer', 'BEARER', 'bEaReR']) {
    for (const header of ['Authorization', 'authorization', 'AUTHORIZATION']) t.same(presents(header, `${scheme} ${key}`), { kind: 'key', key }, `${header}: ${scheme}`)
  }
  t.same(presents('Authorization', `Bearer   ${key}  `), { kind: 'key', key })
})

t.test('X-API-Key is read, in any case', async (t) => {
  for (const header of ['X-API-Key', 'x-api-key', 'X-Api-KEY']) t.same(presents(header, key), { kind: 'key', key }, header)
  t.same(presents('X-API-Key', ` ${key}\t`), { kind: 'key', key })
})

t.test('both headers count when they agree', async (t) => {
  t.same(presents('Authorization', `Bearer ${key}`, 'X-API-Key', key), { kind: 'key', key })
})

t.test('a header that stands twice is refused, even with the same key', async (t) => {
  t.same(presents('Authorization', `Bearer ${key}`, 'authorization', `Bearer ${key}`), ambiguous)
  t.same(presents('Authorization', `Bearer ${key}`, 'Authorization', `Bearer ${other}`), ambiguous)
  t.same(presents('X-API-Key', key, 'x-api-key', key), ambiguous)
  t.same(presents('Authorization', '', 'Authorization', `Bearer ${key}`), ambiguous)
})

t.test('two credentials that disagree are refused', async (t) => {
  for (const authorization of [`Bearer ${other}`, `Bearer ${key}x`, `Bearer ${key.toLowerCase()}`, 'Basic dTpw', 'Bearer', '']) {
    t.same(presents('Authorization', authorization, 'X-API-Key', key), ambiguous, authorization)
  }
  t.same(presents('Authorization', `Bearer ${key}`, 'X-API-Key', ''), ambiguous)
})

t.test('an Authorization that is no bearer key is a credential that matches nothing, not the lack of one', async (t) => {
  const check = createKeyCheck(key)
  for (const value of ['', 'Bearer', 'Bearer ', key, `Basic ${key}`, `Token ${key}`, `Bearer${key}`, `Bearer: ${key}`, `Bearer\t${key}`, `Bearer ${key} ${key}`, `Bearer ${key}, Bearer ${key}`, `X Bearer ${key}`]) {
    const presented = presents('Authorization', value)
    t.equal(presented.kind, 'key', JSON.stringify(value))
    t.equal(presented.kind === 'key' && check(presented.key), false, JSON.stringify(value))
  }
})

t.test('the one right key passes the check, and nothing near it does', async (t) => {
  const check = createKeyCheck(key)

  t.equal(check(key), true)
  for (const wrong of ['', ' ', other, key.slice(1), key.slice(0, -1), `${key} `, ` ${key}`, `${key}\0`, `${key}${key}`, key.toLowerCase(), key.toUpperCase(), 'x'.repeat(100_000)]) t.equal(check(wrong), false, JSON.stringify(wrong.slice(0, 50)))
})

t.test('whatever is presented, only the secret itself passes', async (t) => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (secret, tried) => createKeyCheck(secret.toWellFormed())(tried.toWellFormed()) === (secret.toWellFormed() === tried.toWellFormed())))
})
