import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import pg from 'pg'
import t, { type Test } from 'tap'
import { Type } from 'typebox'
import { cancelByKey } from '../../src/db/canceller.ts'
import { migrate } from '../../src/migrate.ts'
import { sql } from '../../src/sql.ts'
import { allowing } from '../helpers/allowlist.ts'
import { buildApp } from '../helpers/build-app.ts'
import { folderWith } from '../helpers/folder.ts'
import { mcpClient } from '../helpers/mcp-client.ts'
import { ownCluster } from '../helpers/own-cluster.ts'
import { buildServer, startedServer, startServer, workingDirectory } from '../helpers/server-process.ts'

const cancelRequest = Buffer.from([0x04, 0xd2, 0x16, 0x2e])
const hasOpenssl = spawnSync('openssl', ['version']).status === 0
const skip = hasOpenssl ? false : 'leg not run: openssl is not installed; .ci/run installs it'

/** A certificate for 127.0.0.1 that signs itself. */
function certificate (t: Test): { file: string, text: string, key: string } {
  const folder = folderWith(t, {})
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1', '-subj', '/CN=database', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', join(folder, 'key.pem'), '-out', join(folder, 'cert.pem')], { stdio: 'ignore' })
  const read = (name: string): string => readFileSync(join(folder, name), 'utf8')
  return { file: join(folder, 'cert.pem'), text: read('cert.pem'), key: read('key.pem') }
}

t.test('a database that takes nothing but TLS', { skip }, async (t) => {
  const { postgres, write, control } = await ownCluster(t)
  const [ownerUrl, serverUrl] = [await postgres.database('tls'), await postgres.server('tls', 30_000)]
  const { file, text, key } = certificate(t)
  write('server.crt', text)
  write('server.key', key)
  write('pg_hba.conf', 'hostssl all all 127.0.0.1/32 scram-sha-256\n')
  write('postgresql.auto.conf', 'ssl = on\nlog_connections = all\n')
  control('-m', 'fast', 'restart')
  const verified = (url: string, ca = file): string => `${url}?sslmode=verify-full&sslrootcert=${ca}`

  await t.test('is migrated and served, and calls that end early are cancelled', async (t) => {
    await t.rejects(migrate(ownerUrl), /no pg_hba.conf entry|encryption/)
    await migrate(verified(ownerUrl))
    const app = await buildApp(t, {
      env: { DATABASE_URL: verified(serverUrl), MIGRATION_DATABASE_URL: verified(ownerUrl), ALLOWLIST_PATH: allowing(t, 'test_encrypted', 'test_sleeps'), DB_POOL_MAX: '2' },
      extra: async (fastify) => {
        const tool = { description: 'x', effect: 'read' as const, input: Type.Object({}), output: Type.Object({ answer: Type.String() }) }
        fastify.tools.add({ ...tool, name: 'test_encrypted', handler: async (_args, { db }) => ({ answer: await db.value<string>(sql`select ssl::text from pg_stat_ssl where pid = pg_backend_pid()`) ?? '' }) })
        fastify.tools.add({ ...tool, name: 'test_sleeps', limits: { timeoutMs: 100 }, handler: async (_args, { db }) => ({ answer: await db.value<string>(sql`select pg_sleep(600)::text`) ?? '' }) })
      }
    })
    const client = mcpClient(app)
    t.match((await client.call('test_encrypted')).message.result, { structuredContent: { answer: 'true' } })
    t.match((await client.call('test_sleeps')).message.result, { _meta: { 'io.portcullis/outcome': 'timeout' } })
    t.match((await client.call('test_encrypted')).message.result, { structuredContent: { answer: 'true' } })
  })

  await t.test('a cancel behind a pooler is encrypted as well: its key is a secret', async (t) => {
    const { port } = new URL(serverUrl)
    const sent: Buffer[] = []
    const listener = createServer((client) => {
      const database = connect(Number(port), '127.0.0.1')
      client.on('data', (chunk) => { sent.push(chunk) }).pipe(database).pipe(client)
      for (const socket of [client, database]) socket.on('error', () => { client.destroy(); database.destroy() })
    }).listen(0, '127.0.0.1')
    await once(listener, 'listening')
    t.teardown(() => { listener.close() })
    const url = new URL(verified(serverUrl))
    url.port = String((listener.address() as AddressInfo).port)
    const sleeping = new pg.Client({ connectionString: verified(serverUrl) })
    await sleeping.connect()
    t.teardown(async () => { await sleeping.end() })
    const cancelled = t.rejects(sleeping.query('select pg_sleep(600)'), { code: '57014' })
    t.equal(await cancelByKey(url.href, (error) => { t.fail(String(error)) })(sleeping), true)
    await cancelled
    t.notOk(Buffer.concat(sent).includes(cancelRequest))
    t.ok(sent.length > 1)
  })

  await t.test('an authority of one\'s own comes by NODE_EXTRA_CA_CERTS too', async (t) => {
    const out = buildServer(t)
    const env = { DATABASE_URL: `${serverUrl}?sslmode=verify-full`, MIGRATION_DATABASE_URL: `${ownerUrl}?sslmode=verify-full`, DB_POOL_MIN: '1' }
    const server = await startedServer(t, out, { cwd: workingDirectory(t), env: { ...env, NODE_EXTRA_CA_CERTS: file } })
    t.equal((await fetch(`${server.url}/readyz`)).status, 200)
    const refused = await startServer(t, out, { cwd: workingDirectory(t), env })
    t.match(await refused.exit, { code: 1 })
    t.match(refused.errors(), /^the database refused the connection of DATABASE_URL \(DEPTH_ZERO_SELF_SIGNED_CERT\); its certificate is not trusted: .*NODE_EXTRA_CA_CERTS.*\n$/)
    const plain = await startServer(t, out, { cwd: workingDirectory(t), env: { ...env, DATABASE_URL: serverUrl } })
    await plain.exit
    t.match(plain.errors(), /^the database refused .* \(28000\); .* or demand TLS with \?sslmode=verify-full\n$/)
  })
})
