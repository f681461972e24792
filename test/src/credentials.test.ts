import type { IncomingMessage } from 'node:http'
import t from 'tap'
import fc from 'fast-check'
import { createKeyCheck, isJwt, presentedKey, type Presented } from '../../src/credentials.ts'

const key = 'q7Wm2vX9pL4zR8tB6nC3'
const other = 'Z3kT8sN5dJ1yH6gF4cV0'
const none: Presented = { kind: 'none' }
const malformed: Presented = { kind: 'malformed' }
const bearer: Presented = { kind: 'key', key, isBearer: true }
const own: Presented = { kind: 'key', key, isBearer: false }
const presents = (...rawHeaders: string[]): Presented => presentedKey({ rawHeaders } as IncomingMessage)

t.test('a request without credentials presents none', async (t) => {
  t.same(presents(), none)
  t.same(presents('Host', 'localhost', 'Cookie', `key=${key}`, 'Proxy-Authorization', `Bearer ${key}`), none)
})

t.test('a bearer key is read, its scheme in any case', async (t) => {
  for (const scheme of ['Bearer', 'bearer', 'BEARER', 'bEaReR']) {
    for (const header of ['Authorization', 'authorization', 'AUTHORIZATION']) t.same(presents(header, `${scheme} ${key}`), bearer, `${header}: ${scheme}`)
  }
  t.same(presents('Authorization', `Bearer   ${key}  `), bearer)
})

t.test('X-API-Key is read, in any case', async (t) => {
  for (const header of ['X-API-Key', 'x-api-key', 'X-Api-KEY']) t.same(presents(header, key), own, header)
  t.same(presents('X-API-Key', ` ${key}\t`), own)
})

t.test('both headers count when they agree', async (t) => {
  t.same(presents('Authorization', `Bearer ${key}`, 'X-API-Key', key), bearer)
})

t.test('a header that stands twice is refused, even with the same key', async (t) => {
  t.same(presents('Authorization', `Bearer ${key}`, 'authorization', `Bearer ${key}`), malformed)
  t.same(presents('Authorization', `Bearer ${key}`, 'Authorization', `Bearer ${other}`), malformed)
  t.same(presents('X-API-Key', key, 'x-api-key', key), malformed)
  t.same(presents('Authorization', '', 'Authorization', `Bearer ${key}`), malformed)
})

t.test('two credentials that disagree are refused', async (t) => {
  for (const authorization of [`Bearer ${other}`, `Bearer ${key}x`, `Bearer ${key.toLowerCase()}`, 'Basic dTpw', 'Bearer', '']) {
    t.same(presents('Authorization', authorization, 'X-API-Key', key), malformed, authorization)
  }
  t.same(presents('Authorization', `Bearer ${key}`, 'X-API-Key', ''), malformed)
})

t.test('a bearer that can\'t be read is malformed, another scheme no credential at all', async (t) => {
  for (const value of ['Bearer', 'Bearer ', 'bearer', `Bearer: ${key}`, `Bearer\t${key}`, `Bearer ${key} ${key}`, `Bearer ${key}, Bearer ${key}`]) t.same(presents('Authorization', value), malformed, JSON.stringify(value))
  for (const value of ['', key, `Basic ${key}`, `Token ${key}`, `DPoP ${key}`, `Bearer${key}`, `X Bearer ${key}`]) t.same(presents('Authorization', value), none, JSON.stringify(value))
})

t.test('three parts of base64url, the last one perhaps empty, have the shape of a token', async (t) => {
  for (const token of ['a.b.c', 'eyJ-_.x.', 'a.b.']) t.equal(isJwt(token), true, token)
  for (const other of ['', '.', '..', 'a.b', '.b.c', 'a..c', 'a.b.c.d', 'a.b.c.d.e', 'a.b.c=', 'a b.c.d', key, 'pc_Jm2v']) t.equal(isJwt(other), false, other)
})

t.test('the one right key passes the check, and nothing near it does', async (t) => {
  const check = createKeyCheck(key)

  t.equal(check(key), true)
  for (const wrong of ['', ' ', other, key.slice(1), key.slice(0, -1), `${key} `, ` ${key}`, `${key}\0`, `${key}${key}`, key.toLowerCase(), key.toUpperCase(), 'x'.repeat(100_000)]) t.equal(check(wrong), false, JSON.stringify(wrong.slice(0, 50)))
})

t.test('whatever is presented, only the secret itself passes', async (t) => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (secret, tried) => createKeyCheck(secret.toWellFormed())(tried.toWellFormed()) === (secret.toWellFormed() === tried.toWellFormed())))
})
