import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import Fastify from 'fastify'
import fp from 'fastify-plugin'
import authentication from '../plugins/authentication.ts'
import env from '../plugins/env.ts'
import oauth from '../plugins/oauth.ts'
import { newKey } from '../src/api-keys.ts'

// npm run prove:revoke: how long a key that was taken out of API_KEYS_FILE still opens (S4: at most 250 ms).
const rounds = 50
const limitMs = 250
const folder = mkdtempSync(join(tmpdir(), 'portcullis-revoke-'))
const file = join(folder, 'keys')
const stays = newKey({ id: 'stays', roles: ['a'] })
const goes = newKey({ id: 'goes', roles: ['a'] })
writeFileSync(file, `${stays.line}\n${goes.line}`)

const app = Fastify()
await app.register(fp(env), { env: { API_KEYS_FILE: file, LOG_LEVEL: 'silent' } })
await app.register(fp(oauth))
await app.register(fp(authentication))
app.get('/', { onRequest: app.authenticate }, async () => 'open')
await app.ready()
const isOpen = async (): Promise<boolean> => (await app.inject({ url: '/', headers: { 'x-api-key': goes.key } })).statusCode === 200

const times: number[] = []
for (let round = 0; round < rounds; round++) {
  writeFileSync(file, `${stays.line}\n${goes.line}`)
  while (!await isOpen()) await delay(1)
  await delay(Math.random() * 100) // at any moment between two looks
  const before = performance.now()
  writeFileSync(file, stays.line)
  while (await isOpen()) await delay(1)
  times.push(performance.now() - before)
}
await app.close()
rmSync(folder, { recursive: true })

times.sort((a, b) => a - b)
const at = (share: number): string => (times[Math.ceil(share * rounds) - 1] as number).toFixed(0)
console.log(`${rounds} keys taken out: dead after p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, at most ${at(1)} ms (limit ${limitMs} ms)`)
process.exitCode = (times.at(-1) as number) <= limitMs ? 0 : 1
