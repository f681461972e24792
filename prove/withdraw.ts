import { setTimeout as delay } from 'node:timers/promises'
import type { Test } from 'tap'
import { holderOf } from '../src/oauth/holder.ts'
import { createIssuerKeys } from '../src/oauth/issuer-keys.ts'
import { createTokenVerifier } from '../src/oauth/token-verifier.ts'
import { playedIssuer, signed, signingKey } from '../test/helpers/issuer.ts'

// npm run prove:withdraw: how long a token that is in use still opens after its key left the issuer's set (S4: at most 60 s).
const rounds = 40 // at the same time
const limitMs = 60_000
const audience = 'https://mcp.example.com/mcp'
const teardowns: Array<() => unknown> = []
const scope = { teardown: (undo: () => unknown) => { teardowns.push(undo) } } as unknown as Test
const stays = await signingKey('ES256', 'stays')
const goes = await signingKey('ES256', 'goes')

async function measure (): Promise<number> {
  const issuer = await playedIssuer(scope, stays, goes)
  const keys = createIssuerKeys({ issuer: issuer.url, log: { info: () => {}, error: () => {} } as never })
  const { known, verify } = createTokenVerifier({ issuer: issuer.url, audience, keys, holderOf: (claims) => holderOf(claims, { rolesClaims: ['scope'], requiredScopes: [] }) })
  keys.follow()
  teardowns.push(() => { keys.stop() })
  const token = await signed(goes, { iss: issuer.url, aud: audience, sub: 'alice', exp: Math.floor(Date.now() / 1000) + 3600 })
  const isOpen = async (): Promise<boolean> => known(token) !== undefined || (await verify(token)).kind === 'accepted'

  if (!await isOpen()) throw new Error('it does not open')
  await delay(Math.random() * 20_000) // at any moment between two looks
  const before = performance.now()
  issuer.keys = [stays.jwk]
  while (await isOpen()) await delay(20)
  return performance.now() - before
}

const times = await Promise.all(Array.from({ length: rounds }, measure))
for (const undo of teardowns) await undo()
times.sort((a, b) => a - b)
const at = (share: number): string => ((times[Math.ceil(share * rounds) - 1] as number) / 1000).toFixed(1)
console.log(`${rounds} keys withdrawn: their tokens dead after p50 ${at(0.5)} s, at most ${at(1)} s (limit ${limitMs / 1000} s)`)
process.exitCode = (times.at(-1) as number) <= limitMs ? 0 : 1
