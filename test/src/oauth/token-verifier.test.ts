import { createHmac, KeyObject, sign } from 'node:crypto'
import { exportSPKI, SignJWT, type JWK, type JWTPayload } from 'jose'
import t from 'tap'
import { createIssuerKeys } from '../../../src/oauth/issuer-keys.ts'
import { holderOf, type ClaimRules } from '../../../src/oauth/holder.ts'
import { createTokenVerifier, type Verdict } from '../../../src/oauth/token-verifier.ts'
import { signed, signingKey, type SigningKey } from '../../helpers/issuer.ts'

const issuer = 'https://auth.example.com'
const audience = 'https://mcp.example.com/mcp'
const noon = Date.UTC(2026, 10, 25, 12)
const seconds = noon / 1000
const rules: ClaimRules = { rolesClaims: ['scope'], requiredScopes: ['mcp'] }
const claims: JWTPayload = { iss: issuer, aud: audience, sub: 'alice', scope: 'mcp reader', iat: seconds - 10, nbf: seconds - 10, exp: seconds + 600 }
const key = await signingKey('ES256')
const rsa = await signingKey('RS256')
const good = await signed(key, claims)

/** A verifier whose issuer and clock the test holds. */
function verifierOf (published: SigningKey[], { now = () => noon, rules: ownRules = rules }: { now?: () => number, rules?: ClaimRules } = {}) {
  const state = { keys: published.map(({ jwk }): JWK => jwk), isDown: false, fetches: 0 }
  const logged: string[] = []
  const log = (fields: object, message: string): void => { logged.push(`${message} ${JSON.stringify(fields)}`) }
  const keys = createIssuerKeys({
    issuer,
    jwksUrl: `${issuer}/jwks`,
    log: { info: log, error: log } as never,
    now,
    read: async () => {
      state.fetches++
      if (state.isDown) throw new Error('it is down')
      return { keys: state.keys }
    }
  })
  const verifier = createTokenVerifier({ issuer, audience, keys, holderOf: (claims) => holderOf(claims, ownRules), now })
  return { ...verifier, keys, state, logged }
}

/** Why a token is refused; '' when it is not. */
const reasonOf = (verdict: Verdict): string => verdict.kind === 'refused' ? verdict.reason : verdict.kind === 'accepted' ? '' : verdict.kind

t.test('a good token of every algorithm is accepted, its holder known from then on', async (t) => {
  for (const alg of ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519']) {
    const one = await signingKey(alg, `own-${alg}`)
    const { verify, known } = verifierOf([key, one])
    const token = await signed(one, claims)
    t.equal(known(token), undefined, 'nobody has verified it yet')
    const verdict = await verify(token)
    t.same(verdict, { kind: 'accepted', holder: { principal: { id: 'alice', kind: 'oauth', roles: ['mcp', 'reader'] }, isScoped: true } }, alg)
    t.equal(known(token), verdict.kind === 'accepted' && verdict.holder, 'the same object')
  }
})

t.test('what may vary in a good token', async (t) => {
  const { verify } = verifierOf([key])
  const variants: Array<[what: string, token: string]> = [
    ['an audience among others', await signed(key, { ...claims, aud: ['https://other.example', audience] })],
    ['typ JWT', await signed(key, claims, { typ: 'JWT' })],
    ['no typ', await signed(key, claims, { typ: undefined })],
    ['typ with its media type in full', await signed(key, claims, { typ: 'application/at+JWT' })],
    ['no nbf and no iat', await signed(key, { ...claims, nbf: undefined, iat: undefined })],
    ['nbf within the skew of clocks', await signed(key, { ...claims, nbf: seconds + 5 })],
    ['no kid where one key fits', await signed(key, claims, { kid: undefined })],
    ['client_id where there is no sub', await signed(key, { ...claims, sub: undefined, client_id: 'robot' })],
    ['exp in the last second', await signed(key, { ...claims, exp: seconds + 1 })],
    ['headers that name other keys, which nobody asks', await signed(key, claims, { jku: 'https://evil.example/jwks', x5u: 'https://evil.example/x5u' })]
  ]
  for (const [what, token] of variants) t.equal(reasonOf(await verify(token)), '', what)
})

t.test('mutated tokens', async (t) => {
  const encoded = (value: unknown): string => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
  const [head = '', body = '', signature = ''] = good.split('.')
  const withHead = (changes: object): string => [encoded({ alg: 'ES256', kid: key.kid, typ: 'at+jwt', ...changes }), body, signature].join('.')
  const signedBy = async (one: SigningKey, header: object = {}): Promise<string> => await signed({ ...one, kid: key.kid }, claims, header)
  const flip = (part: string, at: number): string => {
    const bytes = Buffer.from(part, 'base64url')
    bytes[at] = (bytes[at] as number) ^ 1
    return bytes.toString('base64url')
  }
  const hmac = (alg: string, digest: string, secret: string | Buffer): string => {
    const input = `${encoded({ alg, kid: rsa.kid, typ: 'at+jwt' })}.${body}`
    return `${input}.${createHmac(digest, secret).update(input).digest('base64url')}`
  }
  /** Rightly signed, whatever stands in it. */
  const sealed = (header: object, payload: string): string => {
    const input = `${encoded({ alg: 'ES256', kid: key.kid, ...header })}.${payload}`
    return `${input}.${sign('sha256', Buffer.from(input), { key: KeyObject.from(key.privateKey as never), dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
  }
  const otherEs = await signingKey('ES256')
  const otherRsa = await signingKey('RS256')
  const weakly = async (changes: JWTPayload): Promise<string> => await signed(key, { ...claims, ...changes })
  const spki = await exportSPKI(rsa.publicKey)

  const mutated: Array<[what: string, token: string]> = [
    ['alg none without signature', `${encoded({ alg: 'none' })}.${body}.`],
    ['alg none with the old signature', withHead({ alg: 'none' })],
    ['alg NONE', `${encoded({ alg: 'NONE', kid: key.kid })}.${body}.`],
    ['no alg', withHead({ alg: undefined })],
    ['alg as a list', withHead({ alg: ['ES256'] })],
    ['HS256 with the public key in PEM as the secret', hmac('HS256', 'sha256', spki)],
    ['HS512 with the public key in PEM as the secret', hmac('HS512', 'sha512', spki)],
    ['HS256 with the public key as JWK as the secret', hmac('HS256', 'sha256', JSON.stringify(rsa.jwk))],
    ['HS256 with the modulus as the secret', hmac('HS256', 'sha256', Buffer.from(rsa.jwk.n as string, 'base64url'))],
    ['HS256 with an empty secret', hmac('HS256', 'sha256', '')],
    ['another curve in the header', withHead({ alg: 'ES384' })],
    ['another family in the header', withHead({ alg: 'RS256' })],
    ['the kid of another key', withHead({ kid: rsa.kid })],
    ['an unknown kid', withHead({ kid: 'nobody' })],
    ['a kid that is a path', withHead({ kid: '../../dev/null' })],
    ['a kid that is a number', withHead({ kid: 1 })],
    ['signed by a stranger under the right kid', await signedBy(otherEs)],
    ['signed by a stranger who embeds his key', await signedBy(otherEs, { jwk: otherEs.jwk })],
    ['signed by a stranger who names his keys', await signedBy(otherEs, { jku: 'https://evil.example/jwks' })],
    ['signed by a stranger with a certificate', await signedBy(otherEs, { x5u: 'https://evil.example/x5u', x5c: ['MIIB'] })],
    ['signed by a stranger with RSA', await signedBy(otherRsa)],
    ['a bit of the signature flipped at its start', [head, body, flip(signature, 0)].join('.')],
    ['a bit of the signature flipped at its end', [head, body, flip(signature, 63)].join('.')],
    ['a bit of the claims flipped', [head, flip(body, 20), signature].join('.')],
    ['a bit of the header flipped', [flip(head, 12), body, signature].join('.')],
    ['the claims of another token', [head, (await weakly({ sub: 'bob' })).split('.')[1], signature].join('.')],
    ['no signature', `${head}.${body}.`],
    ['half a signature', `${head}.${body}.${signature.slice(0, 40)}`],
    ['more than a signature', `${head}.${body}.${signature}AAAA`],
    ['a signature of zeros', `${head}.${body}.${Buffer.alloc(64).toString('base64url')}`],
    ['two parts', `${head}.${body}`],
    ['four parts', `${good}.${signature}`],
    ['five parts', `${head}.${body}.${signature}.${body}.${head}`],
    ['nothing but dots', '..'],
    ['white space within', good.replace('.', '. ')],
    ['a header that is no JSON', `${encoded('{')}.${body}.${signature}`],
    ['a header that is null', `${encoded('null')}.${body}.${signature}`],
    ['a token in a token', await signed(key, { jwt: good } as JWTPayload, { cty: 'JWT' })],
    ['claims that are a list', sealed({}, encoded([claims]))],
    ['claims that are no JSON', sealed({}, encoded('{'))],
    ['claims that are null', sealed({}, encoded('null'))],
    ['an unknown extension that is critical', sealed({ crit: ['x'], x: 1 }, body)],
    ['an empty crit', sealed({ crit: [] }, body)],
    ['an unencoded payload', sealed({ b64: false, crit: ['b64'] }, body)],
    ['an issuer with a slash more', await weakly({ iss: `${issuer}/` })],
    ['an issuer in another case', await weakly({ iss: 'https://AUTH.example.com' })],
    ['the issuer in a list', await weakly({ iss: [issuer] } as never)],
    ['another issuer', await weakly({ iss: 'https://evil.example' })],
    ['no issuer', await weakly({ iss: undefined })],
    ['another audience', await weakly({ aud: 'https://other.example/mcp' })],
    ['other audiences in a list', await weakly({ aud: ['https://other.example/mcp', 'https://mcp.example.com'] })],
    ['an empty list of audiences', await weakly({ aud: [] })],
    ['an audience with a slash more', await weakly({ aud: `${audience}/` })],
    ['an audience that begins the same', await weakly({ aud: `${audience}.evil.example` })],
    ['an audience in a list in a list', await weakly({ aud: [[audience]] } as never)],
    ['no audience', await weakly({ aud: undefined })],
    ['no exp', await weakly({ exp: undefined })],
    ['an exp that is text', await weakly({ exp: String(seconds + 600) } as never)],
    ['an exp of this moment', await weakly({ exp: seconds })],
    ['an exp of a second ago', await weakly({ exp: seconds - 1 })],
    ['an exp that is negative', await weakly({ exp: -1 })],
    ['nbf ahead', await weakly({ nbf: seconds + 6 })],
    ['nbf that is text', await weakly({ nbf: 'now' } as never)],
    ['an identity token of a login', await signed(key, { ...claims, aud: 'client-1', nonce: 'x' }, { typ: 'JWT' })],
    ['typ of a logout token', await signed(key, claims, { typ: 'logout+jwt' })],
    ['typ of a DPoP proof', await signed(key, claims, { typ: 'dpop+jwt' })],
    ['typ that is a number', sealed({ typ: 1 }, body)],
    ['bound to a key of the client', await weakly({ cnf: { jkt: 'x' } })],
    ['no sub and no client_id', await weakly({ sub: undefined })],
    ['an empty sub', await weakly({ sub: '', client_id: 'robot' })],
    ['a sub that is a number', await weakly({ sub: 7 } as never)],
    ['a sub with a line break', await weakly({ sub: 'alice\nroot' })],
    ['a sub of 256 characters', await weakly({ sub: 'a'.repeat(256) })],
    ['oversized', await weakly({ filler: 'x'.repeat(16_384) })]
  ]

  const { verify, known } = verifierOf([key, rsa])
  for (const [what, token] of mutated) {
    const verdict = await verify(token)
    t.not(reasonOf(verdict), '', what)
    t.equal(verdict.kind, 'refused', what)
    t.match(reasonOf(verdict), /^[A-Za-z_]+$/, 'the reason is ours, not text of the token')
    t.equal(known(token), undefined, what)
  }
  t.equal(reasonOf(await verify(sealed({ typ: 'JWT' }, body))), '', 'sealed tokens are good but for what is wrong with them')
  t.ok(mutated.length >= 40, `${mutated.length} mutations`)
  t.equal(reasonOf(await verify(good)), '', 'and the token they were made of is good')
})

t.test('every byte of a token counts', async (t) => {
  const { verify } = verifierOf([key])
  for (let at = 0; at < good.length; at++) {
    const other = good[at] === 'A' ? 'B' : 'A'
    const token = good.slice(0, at) + other + good.slice(at + 1)
    // the last character of a part may carry bits that stand for nothing: then the bytes are the same, and no forgery
    const isSame = token.split('.').every((part, index) => Buffer.from(part, 'base64url').equals(Buffer.from(good.split('.')[index] ?? '', 'base64url')))
    if (!isSame) t.not(reasonOf(await verify(token)), '', `character ${at}`)
  }
})

t.test('a symmetric or private key among the published ones verifies nothing', async (t) => {
  const secret = Buffer.alloc(32, 7)
  const { verify, state } = verifierOf([key])
  state.keys.push({ kty: 'oct', k: secret.toString('base64url'), kid: 'oct', alg: 'HS256' })
  const token = await new SignJWT(claims).setProtectedHeader({ alg: 'HS256', kid: 'oct' }).sign(secret)
  t.equal((await verify(token)).kind, 'refused')
  t.equal(reasonOf(await verify(good)), '', 'and does not hurt the others')
})

t.test('a token without a kid is refused where several keys fit', async (t) => {
  const { verify } = verifierOf([key, await signingKey('ES256', 'second')])
  t.equal(reasonOf(await verify(await signed(key, claims, { kid: undefined }))), 'ERR_JWKS_MULTIPLE_MATCHING_KEYS')
})

t.test('a known token ends with its exp, and after a minute is verified again', async (t) => {
  let now = noon
  const { verify, known, keys } = verifierOf([key], { now: () => now })
  const short = await signed(key, { ...claims, exp: seconds + 30 })
  for (const token of [short, good]) await verify(token)

  now = noon + 29_999
  await keys.refresh()
  t.ok(known(short))
  now = noon + 30_000
  t.equal(known(short), undefined)
  t.equal(reasonOf(await verify(short)), 'exp')
  now = noon + 59_999
  t.ok(known(good))
  now = noon + 60_000
  t.equal(known(good), undefined)
  t.equal(reasonOf(await verify(good)), '')
  t.ok(known(good))
})

t.test('the memory of tokens is bounded', async (t) => {
  const { verify, known } = verifierOf([key])
  await verify(good)
  const tokens = await Promise.all(Array.from({ length: 10_000 }, async (_, index) => await signed(key, { ...claims, jti: String(index) })))
  for (const token of tokens.slice(0, -1)) await verify(token)
  t.ok(known(good))
  await verify(tokens.at(-1) as string)
  t.equal(known(good), undefined, 'the oldest goes first')
  t.ok(known(tokens[0] as string))
})

t.test('a token without a required scope is known as one that lacks it', async (t) => {
  const { verify, known } = verifierOf([key])
  const token = await signed(key, { ...claims, scope: 'reader' })
  t.match(await verify(token), { kind: 'accepted', holder: { isScoped: false } })
  t.match(known(token), { isScoped: false })
})

t.test('a new key is found when a token names it', async (t) => {
  let now = noon
  const { verify, state } = verifierOf([key], { now: () => now })
  await verify(good)
  const next = await signingKey('ES256', 'next')
  state.keys.push(next.jwk)
  now += 10_000
  t.equal(reasonOf(await verify(await signed(next, claims))), '')
  t.equal(state.fetches, 2)
})

t.test('however many tokens with unknown kids come, the issuer is asked once per cool-down', async (t) => {
  let now = noon
  const { verify, state } = verifierOf([key], { now: () => now })
  await verify(good)
  const strangers = await Promise.all(Array.from({ length: 50 }, async (_, index) => await signed(await signingKey('ES256', `stranger-${index}`), claims)))

  const flood = async (): Promise<void> => {
    const verdicts = await Promise.all(strangers.map(verify))
    t.ok(verdicts.every((verdict) => reasonOf(verdict) === 'kid'))
  }
  await flood()
  t.equal(state.fetches, 1, 'it was asked a moment ago')
  now += 10_000
  await flood()
  t.equal(state.fetches, 2, 'fifty share one answer')
  now += 9_999
  await flood()
  t.equal(state.fetches, 2)
  t.equal(reasonOf(await verify(good)), '', 'and good tokens pass meanwhile')
})

t.test('in an outage the keys known so far hold, and the log says so', async (t) => {
  let now = noon
  const { verify, known, state, keys, logged } = verifierOf([key], { now: () => now })
  await verify(good)
  state.isDown = true
  for (let minute = 0; minute < 5; minute++) {
    for (let look = 0; look < 3; look++) {
      now += 20_000
      await keys.refresh()
    }
    t.equal(reasonOf(await verify(good)), '')
    t.ok(known(good), 'known tokens are as cheap as ever')
  }
  t.equal(reasonOf(await verify(await signed(await signingKey('ES256', 'new'), claims))), 'kid')
  t.equal(logged.filter((line) => /those known so far still hold.*it is down/.test(line)).length, 15)
})

t.test('while no keys were ever had nothing is decided, and the issuer is asked once per cool-down', async (t) => {
  let now = noon
  const { verify, state, logged } = verifierOf([key], { now: () => now })
  state.isDown = true
  for (let times = 0; times < 20; times++) t.equal((await verify(good)).kind, 'unavailable')
  t.equal(state.fetches, 1)
  t.match(logged[0], /requests with an access token are answered 503.*it is down/)

  state.isDown = false
  now += 10_000
  t.equal(reasonOf(await verify(good)), '')
})

t.test('a key that leaves the set takes its tokens with it, known ones included, within a minute', async (t) => {
  let now = noon
  let look: () => void = () => {}
  const state = { keys: [key.jwk, rsa.jwk], answersIn: 0 }
  const keys = createIssuerKeys({
    issuer,
    jwksUrl: `${issuer}/jwks`,
    log: { info: () => {}, error: () => {} } as never,
    now: () => now,
    every: (ms, task) => {
      t.equal(ms, 20_000)
      look = task
      return () => {}
    },
    read: async () => ({ keys: state.keys })
  })
  const { verify, known } = createTokenVerifier({ issuer, audience, keys, holderOf: (claims) => holderOf(claims, rules), now: () => now })
  keys.follow()
  const ofRsa = await signed(rsa, claims)
  for (const token of [good, ofRsa]) t.equal(reasonOf(await verify(token)), '')

  now += 20_000
  look()
  await keys.refresh()
  await verify(good)
  state.keys = [rsa.jwk]
  t.ok(known(good), 'nobody has looked yet')
  now += 20_000
  look()
  await keys.refresh()
  t.equal(known(good), undefined)
  t.equal(reasonOf(await verify(good)), 'kid')
  t.equal(reasonOf(await verify(ofRsa)), '')
})

t.test('a process that was asleep asks the issuer before it believes anything', async (t) => {
  let now = noon
  const { verify, known, state } = verifierOf([key], { now: () => now })
  const long = await signed(key, { ...claims, exp: seconds + 86_400 })
  await verify(long)
  state.keys = [rsa.jwk]
  now += 3_600_000
  t.equal(known(long), undefined)
  t.equal(reasonOf(await verify(long)), 'kid')
})

t.test('and does not believe a token that it verified shortly before it fell asleep', async (t) => {
  let now = noon
  const { verify, known } = verifierOf([key], { now: () => now })
  await verify(good)
  now += 50_000
  await verify(good)
  now += 9_999
  t.ok(known(good))
  now += 1
  t.equal(known(good), undefined, 'for a minute nobody has asked the issuer')
})

t.test('a token that was being verified while its key left is not remembered', async (t) => {
  let now = noon
  const { verify, known, state, keys } = verifierOf([key], { now: () => now })
  await verify(good)
  const token = await signed(key, { ...claims, jti: 'late' })
  const verifying = verify(token)
  state.keys = [rsa.jwk]
  now += 10_000
  await keys.refresh()
  await verifying
  t.equal(known(token), undefined)
})
