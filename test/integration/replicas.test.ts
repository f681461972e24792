import { randomBytes } from 'node:crypto'
import t from 'tap'
import { allowlistFile } from '../helpers/allowlist.ts'
import { readMessages, rpcRequest } from '../helpers/mcp-client.ts'
import { migratedDatabase } from '../helpers/postgres.ts'
import { buildServer, startedServer, workingDirectory } from '../helpers/server-process.ts'

// R9: quotas hold across replicas.

const perMinute = 60
const replicas = 4
const callsEach = 60

t.test('four processes together let one principal through as often as one may', async (t) => {
  const out = buildServer(t)
  const DATABASE_URL = await migratedDatabase(t)
  const key = randomBytes(16).toString('hex')
  const env = { DATABASE_URL, DB_POOL_MIN: '1', DB_POOL_MAX: '2', API_KEY: key, LIMITS_STORE: 'postgres', RATE_LIMIT_PER_MINUTE: String(perMinute), ALLOWLIST_PATH: allowlistFile(t, 'allowed_tools: [get_statistics]\n') }
  const cwd = workingDirectory(t)
  const servers = await Promise.all(Array.from({ length: replicas }, async () => await startedServer(t, out, { cwd, env })))

  const { headers: { host: _host, ...headers }, body } = rpcRequest('tools/call', { name: 'get_statistics', arguments: {} })
  const outcomes: string[] = []
  const startedAt = performance.now()
  await Promise.all(servers.map(async ({ url }) => {
    for (let call = 0; call < callsEach; call++) {
      const response = await fetch(`${url}/mcp`, { method: 'POST', headers: { ...headers, 'x-api-key': key }, body: JSON.stringify(body) })
      const { result } = readMessages(await response.text()).at(-1) as { result?: any }
      outcomes.push(result.isError === true ? result._meta['io.portcullis/outcome'] : 'ok')
    }
  }))
  const most = perMinute + (performance.now() - startedAt) * perMinute / 60_000
  const admitted = outcomes.filter((outcome) => outcome === 'ok').length
  t.ok(admitted <= most, `${admitted} admitted of at most ${most}`)
  t.ok(admitted >= perMinute * 0.9, `${admitted} admitted of ${perMinute}`)
  t.equal(outcomes.filter((outcome) => outcome === 'limited').length, replicas * callsEach - admitted, 'the rest is limited')
})
