import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { toWebRequest } from '../../src/mcp/http.ts'
import { allowlistFile } from '../helpers/allowlist.ts'
import { playedIssuer, signed, signingKey } from '../helpers/issuer.ts'
import { rpcRequest } from '../helpers/mcp-client.ts'
import { migratedDatabase, runSql } from '../helpers/postgres.ts'
import { buildServer, startedServer, workingDirectory } from '../helpers/server-process.ts'
import { addTool } from '../helpers/transpile.ts'

const resource = 'https://mcp.example.com/mcp'

t.test('no token that anybody presents is logged, forwarded or stored', async (t) => {
  const out = buildServer(t)
  addTool(out, 'test/fixtures/tools/ask-elsewhere.ts')
  const url = await migratedDatabase(t)
  const key = await signingKey('ES256')
  const issuer = await playedIssuer(t, key)

  let egress = ''
  const elsewhere = createServer((request, response) => {
    egress += `${request.method} ${request.url} ${request.rawHeaders.join('\n')}\n`
    request.setEncoding('utf8').on('data', (text: string) => { egress += text }).on('end', () => { response.end() })
  })
  await new Promise<void>((resolve) => { elsewhere.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => {
    elsewhere.closeAllConnections()
    elsewhere.close()
  })
  const host = `127.0.0.1:${(elsewhere.address() as AddressInfo).port}`

  const server = await startedServer(t, out, {
    cwd: workingDirectory(t),
    env: {
      DATABASE_URL: url,
      AUTH_MODE: 'api-key,oauth',
      API_KEY: 'q7Wm2vX9pL4zR8tB6nC3',
      OAUTH_ISSUER: issuer.url,
      OAUTH_RESOURCE: resource,
      OAUTH_REQUIRED_SCOPES: 'mcp',
      LOG_LEVEL: 'trace',
      EGRESS_HOSTS: host,
      ALLOWLIST_PATH: allowlistFile(t, 'roles: { mcp: { allow: [ask_elsewhere] } }')
    }
  })

  const claims = { iss: issuer.url, aud: resource, sub: 'alice', scope: 'mcp', exp: Math.floor(Date.now() / 1000) + 600 }
  let made = 0
  const token = async (changes: object = {}): Promise<string> => await signed(key, { ...claims, jti: `token-${made++}`, ...changes })
  const presented: string[] = []
  const send = async (secret: string, { path = '/mcp', headers = {}, era = 'modern' as 'modern' | 'legacy', method = 'tools/call' } = {}): Promise<number> => {
    presented.push(secret)
    const request = rpcRequest(method, { name: 'ask_elsewhere', arguments: { url: `http://${host}/` } }, { era })
    const { host: _host, ...own } = request.headers
    const response = await fetch(`${server.url}${path}`, { method: 'POST', headers: { ...own, ...headers }, body: JSON.stringify(request.body) })
    const text = await response.text()
    t.equal(partsOf(secret).some((part) => text.includes(part)), false, 'nor is it told back')
    return response.status
  }
  const bearer = async (secret: string, options: Parameters<typeof send>[1] = {}): Promise<number> => await send(secret, { ...options, headers: { authorization: `Bearer ${secret}` } })

  for (const era of ['modern', 'legacy'] as const) {
    for (const method of ['tools/call', 'tools/list', 'prompts/get', 'nonsense']) await bearer(await token(), { era, method })
    const again = await token()
    for (let times = 0; times < 3; times++) t.equal(await bearer(again, { era }), 200)
  }
  const good = await token()
  const bad: Array<[secret: string, status: number]> = [
    [await token({ exp: 1 }), 401], [await token({ aud: 'https://other.example' }), 401], [await token({ iss: 'https://other.example' }), 401], [await token({ sub: 'two words' }), 401],
    [await token({ scope: 'other' }), 403], [`${good.slice(0, -8)}AAAAAAAA`, 401], [good.split('.').slice(0, 2).join('.') + '.', 401], ['opaque-0123456789-abcdefghij', 401],
    [await signed({ ...key, kid: 'nobody' }, { ...claims, jti: 'x' }), 401], [`${good} ${good}`, 400]
  ]
  for (const [secret, status] of bad) t.equal(await bearer(secret), status)

  const loose = await token()
  t.equal(await send(loose, { path: `/mcp?access_token=${loose}` }), 401)
  t.equal(await send(loose, { headers: { 'x-api-key': loose } }), 401)
  t.equal(await bearer(loose, { path: `/nope?access_token=${loose}` }), 404)
  t.equal(await bearer(loose, { path: `/.well-known/oauth-protected-resource?access_token=${loose}` }), 404, 'it is for GET')
  t.equal((await fetch(`${server.url}/.well-known/oauth-protected-resource?access_token=${loose}`, { headers: { authorization: `Bearer ${loose}` } })).status, 200)

  const tables = (await runSql(url, 'select format(\'%I.%I\', schemaname, tablename) as name from pg_tables where schemaname not in (\'pg_catalog\', \'information_schema\')'))[0]?.rows as Array<{ name: string }>
  const stored = await runSql(url, 'select a::text as line from pg_stat_activity a', ...tables.map(({ name }) => `select r::text as line from ${name} r`))
  const database = stored.flatMap(({ rows }) => rows.map(({ line }) => String(line))).join('\n')
  server.child.kill('SIGTERM')
  t.same(await server.exit, { code: 0, signal: null })

  const places = { log: server.output(), egress, database, issuer: issuer.asked.join('\n') }
  t.match(places.log, /asked elsewhere.*alice|alice.*asked elsewhere/, 'the log was looked at')
  t.match(places.log, /"level":40.*"reason":"exp"/)
  t.match(places.egress, /"id":"alice"/, 'and what went out')
  t.match(places.database, /create table|insert|select/i)
  for (const [place, text] of Object.entries(places)) {
    t.same(presented.filter((secret) => partsOf(secret).some((part) => text.includes(part))), [], place)
  }
  t.ok(presented.length >= 25, `${presented.length} presented`)
})

t.test('an extension of the protocol sees no credential', async (t) => {
  const { headers } = toWebRequest({ method: 'POST', raw: { rawHeaders: ['Authorization', 'Bearer x', 'X-API-Key', 'y', 'Accept', '*/*', 'X-Other', 'z'] }, routeOptions: { url: '/mcp' } } as never, new AbortController().signal)
  t.same(Object.fromEntries(headers), { accept: 'application/json, text/event-stream', 'x-other': 'z' })
})

/** What a token may not be recognised by: its claims and its signature; the header is the same for all. */
function partsOf (secret: string): string[] {
  return secret.split(/[. ]/).filter((part) => part.length >= 20 && !part.startsWith('eyJhbGciOi'))
}
