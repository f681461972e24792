import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { account } from '../src/embedded-postgres/account.ts'
import { nativeBinaries } from '../src/embedded-postgres/native.ts'
import { onDirectConnection } from '../src/migrate.ts'
import { modern } from '../bench/rpc.ts'
import { faultProxy, type FaultProxy } from '../test/helpers/fault-proxy.ts'
import { closeConnections, percentile } from './load/open-loop.ts'
import { withServer } from './load/server.ts'

// npm run prove:faults (R4): the ways a database can go away, under load; the process stays, and serves again by itself.
const { values } = parseArgs({ options: { cycles: { type: 'string', default: '104' }, limit: { type: 'string', default: '500' } } })
const [cycles, limitMs] = [Number(values.cycles), Number(values.limit)]
const callers = 8
const env = { DB_POOL_MAX: '8', DB_ACQUIRE_TIMEOUT_MS: '1000', CALL_TIMEOUT_MS: '2000', RATE_LIMIT_PER_MINUTE: '0', ATTEMPT_LIMIT_PER_MINUTE: '0', CALL_CONCURRENCY: '32' }

const ends: Array<() => void> = []
const faults: string[] = []
const outcomes = new Map<string, number>()
let proxy: FaultProxy | undefined

await withServer(callers, env, async ({ url, keys, databaseUrl, postgres, hasEnded }) => {
  const network = proxy as FaultProxy
  const admin = new URL(postgres.adminUrl)
  admin.pathname = new URL(databaseUrl).pathname
  const { username: role, pathname } = new URL(databaseUrl)
  const asAdmin = async (...statements: string[]): Promise<void> => { await onDirectConnection(admin.href, async (client) => { for (const statement of statements) await client.query(statement) }) }
  const terminateAll = `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${pathname.slice(1)}' and pid <> pg_backend_pid()`
  const restart = async (): Promise<void> => {
    const child = spawn(join(nativeBinaries(postgres.folder), 'pg_ctl'), ['-D', join(postgres.folder, 'data'), '-s', '-w', '-m', 'immediate', '-l', join(postgres.folder, 'data.log'), 'restart'], { ...account, cwd: postgres.folder, stdio: 'ignore' })
    await once(child, 'exit')
  }

  const away = 300
  const kinds: Array<[name: string, cause: () => Promise<void>]> = [
    ['killed and restarted', restart],
    ['connections reset', async () => { network.reset() }],
    ['refusing', async () => { network.refuse(); network.reset(); await delay(away); await network.restore() }],
    ['silent', async () => { network.blackhole(); await delay(away); await network.restore() }],
    ['silent, new connections too', async () => { network.blackhole(); network.reset(); await delay(3 * away); await network.restore() }],
    ['half closed', async () => { network.halfClose() }],
    ['backends terminated', async () => { await asAdmin(terminateAll) }],
    ['no connections left', async () => { await asAdmin(`alter role ${role} connection limit 0`, terminateAll); await delay(away); await asAdmin(`alter role ${role} connection limit -1`) }]
  ]

  const state = { lastSuccess: -Infinity, isOver: false }
  const load = Promise.all(keys.map(async (key, index) => {
    for (let count = 0; !state.isOver; count++) {
      const outcome = await ask(url, key, `${index}-${count}`)
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
      if (outcome === 'ok') state.lastSuccess = performance.now()
      if (outcome.startsWith('wrong')) faults.push(outcome)
      await delay(5)
    }
  }))

  const recoveries = new Map<string, number[]>()
  for (let cycle = 0; cycle < cycles && faults.length < 10; cycle++) {
    const [name, cause] = kinds[cycle % kinds.length] as typeof kinds[number]
    await cause()
    const back = performance.now()
    for (; state.lastSuccess < back && performance.now() - back < 20_000;) await delay(2)
    const tookMs = performance.now() - back
    recoveries.set(name, [...recoveries.get(name) ?? [], tookMs])
    if (tookMs > limitMs) faults.push(`${name}: served again after ${tookMs.toFixed(0)} ms, cycle ${cycle}`)
    if (hasEnded()) faults.push(`${name}: the process ended`)
    await delay(100)
  }
  state.isOver = true
  await load
  for (const [name, tookMs] of recoveries) console.log(`${name}: ${tookMs.length} times, served again after p50 ${percentile(tookMs, 0.5).toFixed(0)} ms, at most ${Math.max(...tookMs).toFixed(0)} ms`)
  console.log(`${cycles} cycles, ${JSON.stringify(Object.fromEntries(outcomes))}; the process ${hasEnded() ? 'ended' : 'lived'}; ${faults.length} faults`)
}, async (databaseUrl) => {
  proxy = await faultProxy({ teardown: (end) => ends.push(end) }, databaseUrl)
  return proxy.url
})
for (const end of ends) end()
closeConnections()
for (const fault of faults) console.error(fault)
process.exitCode = faults.length === 0 ? 0 : 1

/** ok, a typed outcome, or what else came. */
async function ask (url: string, key: string, canary: string): Promise<string> {
  const { headers, body } = modern('tools/call', { name: 'whoami', arguments: { canary, ms: 5 } })
  try {
    const response = await fetch(url, { method: 'POST', headers: { ...headers, 'x-api-key': key }, body, signal: AbortSignal.timeout(20_000) })
    const text = await response.text()
    if (text.includes(`"fromDatabase":"${canary}"`)) return 'ok'
    const outcome = /"io\.portcullis\/outcome":"(\w+)"/.exec(text)?.[1]
    if (outcome === 'unavailable' || outcome === 'timeout') return outcome
    if (response.status === 503) return 'shed'
    return `wrong answer: HTTP ${response.status} ${text.slice(0, 200)}`
  } catch (error) {
    return `wrong: no answer, ${String((error as Error).cause ?? error)}`
  }
}
