import type { IncomingMessage } from 'node:http'
import { newKey, parseKeys } from '../src/api-keys.ts'
import { createKeyCheck, presentedKey } from '../src/credentials.ts'
import { createIdentify } from '../src/identify.ts'
import { holderOf } from '../src/oauth/holder.ts'
import { createIssuerKeys } from '../src/oauth/issuer-keys.ts'
import { createTokenVerifier } from '../src/oauth/token-verifier.ts'
import { signed, signingKey } from '../test/helpers/issuer.ts'

// npm run prove:credentials: what it costs to tell who is calling, in microseconds of CPU (S4: at most 5 for a known token).
const limitMicros = 5
const rounds = 60
const issuer = 'https://auth.example.com'
const audience = 'https://mcp.example.com/mcp'
const signing = await Promise.all(['RS256', 'ES256', 'EdDSA'].map(async (alg) => await signingKey(alg)))
const log = { info: () => {}, error: () => {} }

const keys = createIssuerKeys({ issuer, jwksUrl: `${issuer}/jwks`, log: log as never, read: async () => ({ keys: signing.map(({ jwk }) => jwk) }) })
await keys.refresh()
const verifier = createTokenVerifier({ issuer, audience, keys, holderOf: (claims) => holderOf(claims, { rolesClaims: ['scope'], requiredScopes: ['mcp'] }) })
const single = 'q7Wm2vX9pL4zR8tB6nC3q7Wm2vX9pL4zR8tB6nC3'
const entries = Array.from({ length: 100 }, (_, index) => newKey({ id: `key-${index}`, roles: ['reader'] }))
const ring = parseKeys(entries.map(({ line }) => line).join('\n'), 'keys')
const isSingleKey = createKeyCheck(single)
const resource = { metadataUrl: 'x', metadataPaths: [], metadata: '', requiredScopes: ['mcp'], offeredScopes: ['mcp'] }
const identify = createIdentify({ findKey: (key) => isSingleKey(key) ? { id: 'default', kind: 'api-key', roles: [] } : ring.find(key), oauth: { tokens: verifier, resource } })

/** A request with the headers that a client sends. */
function request (...credential: [name: string, value: string]): IncomingMessage {
  return { rawHeaders: ['Host', 'mcp.example.com', 'Connection', 'keep-alive', 'Content-Type', 'application/json', 'Accept', 'application/json, text/event-stream', 'MCP-Protocol-Version', '2026-07-28', 'Mcp-Method', 'tools/call', 'Mcp-Name', 'search_records', ...credential, 'User-Agent', 'node', 'Content-Length', '311'] } as unknown as IncomingMessage
}

async function tokens (index: number, count: number): Promise<string[]> {
  const claims = { iss: issuer, aud: audience, sub: 'auth0|5f7c8ec7c33c6c004bbafe82', client_id: 'research-agent', scope: 'mcp records:read records:search', iat: Math.floor(Date.now() / 1000), exp: Math.floor(Date.now() / 1000) + 3600 }
  return await Promise.all(Array.from({ length: count }, async (_, jti) => await signed(signing[index] as never, { ...claims, jti: String(jti) })))
}

/** CPU per run, all threads of the process: signatures are checked in the thread pool. */
async function micros (runs: number, run: (index: number) => unknown): Promise<number> {
  const before = process.cpuUsage()
  for (let index = 0; index < runs; index++) {
    const pending = run(index)
    if (pending instanceof Promise) await pending
  }
  const { user, system } = process.cpuUsage(before)
  return (user + system) / runs
}

async function report (what: string, runs: number, run: (index: number) => unknown, prepare: () => Promise<unknown> = async () => {}): Promise<number> {
  const samples: number[] = []
  for (let round = 0; round < rounds + 5; round++) {
    await prepare()
    const sample = await micros(runs, run)
    if (round >= 5) samples.push(sample) // the first ones warm up
  }
  samples.sort((a, b) => a - b)
  const at = (share: number): number => samples[Math.ceil(share * samples.length) - 1] as number
  console.log(`${what.padEnd(48)} p50 ${at(0.5).toFixed(1).padStart(6)} µs, p95 ${at(0.95).toFixed(1).padStart(6)} µs`)
  return at(0.5)
}

const must = (answer: unknown): void => { if ((answer as { roles?: unknown }).roles === undefined) throw new Error('refused') }
const ask = (message: IncomingMessage) => (): void => { must(identify(presentedKey(message))) }

console.log(`CPU per request, ${rounds} rounds, node ${process.version}`)
await report('API_KEY', 20_000, ask(request('X-API-Key', single)))
await report('one of 100 keys of API_KEYS_FILE', 20_000, ask(request('Authorization', `Bearer ${entries[50]?.key}`)))

let worst = 0
for (const [index, { alg }] of signing.entries()) {
  const [token = ''] = await tokens(index, 1)
  await verifier.verify(token)
  // a token is known for a minute at most, which a slow machine may outlast
  worst = Math.max(worst, await report(`access token, ${alg}, ${token.length} bytes, known`, 20_000, ask(request('Authorization', `Bearer ${token}`)), async () => await verifier.verify(token)))
}
for (const [index, { alg }] of signing.entries()) {
  const fresh = (await tokens(index, 200)).map((token) => request('Authorization', `Bearer ${token}`))
  await report(`access token, ${alg}, not known`, 200, async (at) => {
    const { key } = presentedKey(fresh[at] as IncomingMessage) as { key: string }
    const verdict = await verifier.verify(key)
    if (verdict.kind !== 'accepted') throw new Error('refused')
  })
}
console.log(`a known token costs ${worst.toFixed(1)} µs at p50 (limit ${limitMicros} µs)`)
process.exitCode = worst <= limitMicros ? 0 : 1
