import t from 'tap'
import { createIssuerKeys } from '../../../src/oauth/issuer-keys.ts'
import { signingKey } from '../../helpers/issuer.ts'

const key = await signingKey('ES256')
const jwks = { keys: [key.jwk] }

/** Keys of an issuer whose documents are given by URL; what is not given can't be had. */
function keysOf (issuer: string, documents: Record<string, unknown>, jwksUrl?: string) {
  const asked: string[] = []
  const logged: Array<{ level: string, message: string, reason?: string }> = []
  const log = (level: string) => (fields: { reason?: string }, message: string): void => { logged.push({ level, message, reason: fields.reason }) }
  let now = 0
  const keys = createIssuerKeys({
    issuer,
    jwksUrl,
    log: { info: log('info'), error: log('error') } as never,
    now: () => now,
    read: async (url) => {
      asked.push(url)
      if (documents[url] === undefined) throw new Error(`${url}: status 404`)
      return structuredClone(documents[url])
    }
  })
  return { keys, asked, logged, documents, later: () => { now += 10_000 } }
}

t.test('the keys are where the metadata of the issuer says, looked for where clients look', async (t) => {
  const issuers: Array<[issuer: string, metadataUrl: string, asked: number]> = [
    ['https://a.example', 'https://a.example/.well-known/oauth-authorization-server', 1],
    ['https://a.example/', 'https://a.example/.well-known/openid-configuration', 2],
    ['https://a.example/realms/x', 'https://a.example/.well-known/oauth-authorization-server/realms/x', 1],
    ['https://a.example/realms/x', 'https://a.example/.well-known/openid-configuration/realms/x', 2],
    ['https://a.example/realms/x', 'https://a.example/realms/x/.well-known/openid-configuration', 3],
    ['https://a.example/realms/x/', 'https://a.example/realms/x/.well-known/openid-configuration', 3]
  ]
  for (const [issuer, url, lookups] of issuers) {
    const { keys, asked } = keysOf(issuer, { [url]: { issuer, jwks_uri: 'https://keys.example/jwks' }, 'https://keys.example/jwks': jwks })
    await keys.refresh()
    t.ok(keys.current, url)
    t.same([asked[lookups - 1], asked[lookups], asked.length], [url, 'https://keys.example/jwks', lookups + 1])
  }
})

t.test('OAUTH_JWKS_URL is asked instead', async (t) => {
  const { keys, asked } = keysOf('https://a.example', { 'https://keys.example/jwks': jwks }, 'https://keys.example/jwks')
  await keys.refresh()
  t.ok(keys.current)
  t.same(asked, ['https://keys.example/jwks'])
})

t.test('metadata that speaks of somebody else, or names keys on an open wire, is not believed', async (t) => {
  const url = 'https://a.example/.well-known/oauth-authorization-server'
  const metadata: Array<[metadata: unknown, reason: RegExp]> = [
    [{ issuer: 'https://a.example/', jwks_uri: 'https://a.example/jwks' }, /speaks of the issuer "https:\/\/a.example\/"; OAUTH_ISSUER must be the same, character by character/],
    [{ jwks_uri: 'https://a.example/jwks' }, /speaks of the issuer undefined/],
    [{ issuer: 'https://a.example', jwks_uri: 'http://a.example/jwks' }, /its jwks_uri is no https URL; set OAUTH_JWKS_URL/],
    [{ issuer: 'https://a.example', jwks_uri: 'file:///etc/keys' }, /its jwks_uri is no https URL/],
    [{ issuer: 'https://a.example' }, /its jwks_uri is no https URL/],
    [null, /speaks of the issuer undefined/],
    [[], /speaks of the issuer undefined/]
  ]
  for (const [document, reason] of metadata) {
    const { keys, logged } = keysOf('https://a.example', { [url]: document, 'http://a.example/jwks': jwks, 'https://a.example/jwks': jwks })
    await keys.refresh()
    t.equal(keys.current, undefined, JSON.stringify(document))
    t.match(logged, [{ level: 'error', reason }])
  }
})

t.test('what is no set of keys changes nothing', async (t) => {
  const { keys, logged, documents, later } = keysOf('https://a.example', { 'https://a.example/jwks': jwks }, 'https://a.example/jwks')
  await keys.refresh()
  const before = keys.current
  for (const wrong of [null, [], {}, { keys: {} }, { keys: [null] }, 'x', 7]) {
    documents['https://a.example/jwks'] = wrong
    later()
    await keys.refresh()
    t.equal(keys.current, before, JSON.stringify(wrong))
    t.match(logged.at(-1), { level: 'error', message: /those known so far still hold/ })
  }
  documents['https://a.example/jwks'] = { keys: [] }
  later()
  await keys.refresh()
  t.not(keys.current, before, 'an empty set is one: every key was withdrawn')
})

t.test('the same set of keys is the same object, so that known tokens stay known', async (t) => {
  const { keys, later, logged } = keysOf('https://a.example', { 'https://a.example/jwks': jwks }, 'https://a.example/jwks')
  await keys.refresh()
  const before = keys.current
  later()
  await keys.refresh()
  t.equal(keys.current, before)
  t.same(logged.map(({ message }) => message), ['keys of the issuer loaded'])
})

t.test('regular looks go on when the clock is set back, one at a time', async (t) => {
  let now = 3_600_000
  let fetches = 0
  let look: () => void = () => {}
  let answer: () => void = () => {}
  const keys = createIssuerKeys({
    issuer: 'https://a.example',
    jwksUrl: 'https://a.example/jwks',
    log: { info: () => {}, error: () => {} } as never,
    now: () => now,
    every: (_ms, task) => {
      look = task
      return () => {}
    },
    read: async () => {
      fetches++
      await new Promise<void>((resolve) => { answer = resolve })
      return jwks
    }
  })
  keys.follow()
  for (let times = 0; times < 3; times++) look()
  t.equal(fetches, 1)
  answer()
  await keys.refresh()
  now = 0
  look()
  t.equal(fetches, 2)
})

t.test('keys that have moved are found again', async (t) => {
  const url = 'https://a.example/.well-known/oauth-authorization-server'
  const { keys, documents, later } = keysOf('https://a.example', { [url]: { issuer: 'https://a.example', jwks_uri: 'https://a.example/old' }, 'https://a.example/old': jwks })
  await keys.refresh()
  const before = keys.current
  delete documents['https://a.example/old']
  documents[url] = { issuer: 'https://a.example', jwks_uri: 'https://a.example/new' }
  documents['https://a.example/new'] = { keys: [key.jwk, { ...key.jwk, kid: 'other' }] }
  later()
  await keys.refresh()
  t.equal(keys.current, before, 'this time they are missed')
  later()
  await keys.refresh()
  t.not(keys.current, before)
})

t.test('what is under way when the server closes ends quietly', async (t) => {
  const logged: string[] = []
  const keys = createIssuerKeys({
    issuer: 'https://a.example',
    jwksUrl: 'https://a.example/jwks',
    log: { info: () => {}, error: (_fields: object, message: string) => { logged.push(message) } } as never,
    read: async (_url, signal) => await new Promise((_resolve, reject) => { signal.addEventListener('abort', () => { reject(signal.reason) }) })
  })
  keys.follow()
  const asking = keys.refresh()
  keys.stop()
  await asking
  t.same(logged, [])
})
