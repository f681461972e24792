import t from 'tap'
import { seed } from '../../src/seed.ts'
import { allowing } from '../helpers/allowlist.ts'
import { haproxy, whyNoHaproxy } from '../helpers/haproxy.ts'
import { migratedDatabase } from '../helpers/postgres.ts'
import { buildServer, freePort, startedServer, workingDirectory, type ServerProcess } from '../helpers/server-process.ts'
import { steadyLoad, type Call } from '../helpers/steady-load.ts'
import { addTool } from '../helpers/transpile.ts'

// ROLLING_RESTARTS=20 (npm run prove:rolling-restart) is the promise O1; each restarts three servers.
const rounds = Number(process.env.ROLLING_RESTARTS ?? 1)
const leastRequests = rounds * 2_500
const streams = 6
const probedEveryMs = 500
const calls: Call[] = [
  ...Array.from({ length: 4 }, () => ({ name: 'search_records', args: { query: '', limit: 5 } })),
  ...Array.from({ length: 4 }, () => ({ name: 'get_statistics', args: {}, era: 'legacy' as const })),
  ...Array.from({ length: 2 }, () => ({ name: 'get_pool_status', args: {} })),
  ...Array.from({ length: 2 }, () => ({ name: 'slow_count', args: { to: 3, step_ms: 300 } }))
]

t.setTimeout(120_000 + rounds * 120_000)

t.test('restarting three servers behind a load balancer, one after the other, loses no request and resets no stream', { skip: whyNoHaproxy }, async (t) => {
  const out = buildServer(t)
  addTool(out, 'test/fixtures/tools/slow-count.ts')
  const url = await migratedDatabase(t)
  await seed(url, 200)
  const env = { DATABASE_URL: url, DB_POOL_MIN: '1', DB_POOL_MAX: '4', RATE_LIMIT_PER_MINUTE: '0', ATTEMPT_LIMIT_PER_MINUTE: '0', SHED_EVENT_LOOP_MS: '0', SHUTDOWN_DELAY_MS: '3000', ALLOWLIST_PATH: allowing(t, ...new Set(calls.map(({ name }) => name))) }
  const cwd = workingDirectory(t)
  const ports = [await freePort(), await freePort(), await freePort()]
  const start = async (port: number): Promise<ServerProcess> => await startedServer(t, out, { cwd, env: { ...env, PORT: String(port) } })
  const servers = await Promise.all(ports.map(start))
  const balancer = await haproxy(t, ports.map((port) => `http://127.0.0.1:${port}`), probedEveryMs)
  await balancer.untilUp(servers.length)
  const load = steadyLoad(balancer.url, calls, streams)
  t.teardown(load.stop)
  await load.untilAnswered(100)

  let stops = 0
  for (let round = 1; round <= rounds; round++) {
    for (const [index, port] of ports.entries()) {
      const stopping = servers[index] as ServerProcess
      stopping.child.kill('SIGTERM')
      const end = await stopping.exit
      if (end.code !== 0) t.fail(`round ${round}, server ${index}`, { end, output: stopping.output().slice(-2_000) })
      stops++
      servers[index] = await start(port)
      await balancer.untilUp(servers.length)
    }
    await load.untilAnswered(round * leastRequests / rounds)
    if (rounds > 1) t.comment(`round ${round}: ${JSON.stringify({ ...load.counts(), failures: load.failures.length })}`)
  }
  await load.stop()

  const { answered, streamsEnded } = load.counts()
  t.comment(`${stops} restarts, ${answered} requests and ${streamsEnded} ends of streams, ${load.failures.length} failed`)
  t.same(load.failures, [])
  t.ok(answered >= leastRequests)
  t.ok(streamsEnded >= streams, 'every stream was on a server that stopped')
})
