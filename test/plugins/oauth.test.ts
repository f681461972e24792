import t, { type Test } from 'tap'
import type { FastifyInstance } from 'fastify'
import type { Environment } from '../../config/variables.ts'
import { allowlistFile } from '../helpers/allowlist.ts'
import { buildApp } from '../helpers/build-app.ts'
import { playedIssuer, signed, signingKey, type PlayedIssuer } from '../helpers/issuer.ts'
import { listening, type Headers } from '../helpers/listening.ts'
import { mcpClient, rpcRequest, type Answer } from '../helpers/mcp-client.ts'
import { migratedDatabase } from '../helpers/postgres.ts'

const url = await migratedDatabase(t)
const key = await signingKey('ES256')
const resource = 'https://mcp.example.com/mcp'
const metadataUrl = 'https://mcp.example.com/.well-known/oauth-protected-resource/mcp'
const apiKey = 'q7Wm2vX9pL4zR8tB6nC3'
const inTenMinutes = Math.floor(Date.now() / 1000) + 600

async function appFor (t: Test, issuer: PlayedIssuer, env: Environment = {}, onLog?: (line: Record<string, unknown>) => void): Promise<FastifyInstance> {
  return await buildApp(t, { env: { DATABASE_URL: url, AUTH_MODE: 'oauth', OAUTH_ISSUER: issuer.url, OAUTH_RESOURCE: resource, ...env }, onLog })
}

async function tokenOf (issuer: PlayedIssuer, claims: Record<string, unknown> = {}): Promise<string> {
  return await signed(key, { iss: issuer.url, aud: resource, sub: 'alice', exp: inTenMinutes, ...claims })
}

async function list (app: FastifyInstance, headers: Record<string, string> = {}): Promise<Answer> {
  return await mcpClient(app, headers).request('tools/list')
}

t.test('what a client is told', async (t) => {
  const issuer = await playedIssuer(t, key)
  const lines: Array<Record<string, unknown>> = []
  const app = await appFor(t, issuer, { OAUTH_REQUIRED_SCOPES: 'mcp, records:read', OAUTH_OPTIONAL_SCOPES: 'admin mcp' }, (line) => { lines.push(line) })
  const where = `resource_metadata="${metadataUrl}"`

  t.test('without a token: where to sign in and what to ask for, and no error', async (t) => {
    for (const headers of [{}, { authorization: 'Basic dTpw' }] as Array<Record<string, string>>) {
      const answer = await list(app, headers)
      t.equal(answer.status, 401)
      t.equal(answer.headers['www-authenticate'], `Bearer ${where}, scope="mcp records:read admin"`)
      t.same(answer.message.error, { code: 4001, message: 'Send a valid access token as "Authorization: Bearer <token>"' })
    }
  })

  t.test('with a token that is no good: the same, and that it is invalid; the log knows why', async (t) => {
    for (const [token, reason] of [['opaque', undefined], [await tokenOf(issuer, { aud: 'https://other.example' }), 'aud'], [await tokenOf(issuer, { exp: 1 }), 'exp'], ['a.b.c', 'ERR_JWS_INVALID']]) {
      const answer = await list(app, { authorization: `Bearer ${token}` })
      t.equal(answer.status, 401)
      t.equal(answer.headers['www-authenticate'], `Bearer ${where}, scope="mcp records:read admin", error="invalid_token"`)
      t.match(lines.findLast(({ msg }) => msg === 'request refused'), { code: 'MCP_UNAUTHENTICATED', reason, level: 40 })
    }
  })

  t.test('with a token that lacks scopes: 403 with every one that is required', async (t) => {
    for (const scope of [undefined, '', 'admin', 'mcp admin', 'mcp records:reader']) {
      const answer = await list(app, { authorization: `Bearer ${await tokenOf(issuer, { scope })}` })
      t.equal(answer.status, 403, `scope ${scope}`)
      t.equal(answer.headers['www-authenticate'], `Bearer ${where}, scope="mcp records:read", error="insufficient_scope"`)
      t.match(answer.message, { id: null, error: { code: 4004 } })
    }
    t.equal((await list(app, { authorization: `Bearer ${await tokenOf(issuer, { scope: 'records:read mcp' })}` })).status, 200)
    t.equal((await list(app, { authorization: `Bearer ${await tokenOf(issuer, { scp: ['mcp', 'records:read'] })}` })).status, 200, 'as scp too')
  })
})

t.test('a malformed authorization is answered 400', async (t) => {
  const issuer = await playedIssuer(t, key)
  const app = await appFor(t, issuer)
  const send = await listening(app)
  const { headers, body } = rpcRequest('tools/list')
  const token = await tokenOf(issuer)
  const malformed: Headers[] = [{ authorization: 'Bearer' }, { authorization: `Bearer ${token} ${token}` }, { authorization: `Bearer ${token}, Bearer ${token}` }, { authorization: `Bearer ${token}`, 'x-api-key': 'other' }, { authorization: [`Bearer ${token}`, `Bearer ${token}`] }]
  for (const authorization of malformed) {
    const answer = await send({ headers: { ...headers, ...authorization }, body })
    t.equal(answer.status, 400, JSON.stringify(Object.keys(authorization)))
    t.equal(answer.headers['www-authenticate'], `Bearer resource_metadata="${metadataUrl}", error="invalid_request"`)
    t.equal(answer.messages[0]?.error?.code, -32600)
  }
  t.equal((await send({ headers: { ...headers, authorization: `bEARER ${token}` }, body })).status, 200)
})

t.test('a token counts in its header alone', async (t) => {
  const issuer = await playedIssuer(t, key)
  const app = await appFor(t, issuer, { AUTH_MODE: 'api-key,oauth', API_KEY: apiKey })
  const token = await tokenOf(issuer)
  const { headers, body } = rpcRequest('tools/list')
  for (const query of [`access_token=${token}`, `token=${token}`, `api_key=${apiKey}`]) {
    t.equal((await app.inject({ method: 'POST', url: `/mcp?${query}`, headers, payload: body })).statusCode, 401)
  }
  t.equal((await list(app, { 'x-api-key': token })).status, 401, 'an API key header holds API keys')
  t.equal((await list(app, { cookie: `access_token=${token}` })).status, 401)
})

t.test('with both modes, keys open as ever and tokens too', async (t) => {
  const issuer = await playedIssuer(t, key)
  const app = await appFor(t, issuer, { AUTH_MODE: 'oauth, api-key', API_KEY: apiKey, OAUTH_REQUIRED_SCOPES: 'mcp' })
  for (const headers of [{ authorization: `Bearer ${apiKey}` }, { 'x-api-key': apiKey }, { authorization: `Bearer ${await tokenOf(issuer, { scope: 'mcp' })}` }] as Array<Record<string, string>>) {
    t.equal((await list(app, headers)).status, 200)
  }
  const refused = await list(app, { authorization: `Bearer ${apiKey}x` })
  t.equal(refused.headers['www-authenticate'], `Bearer resource_metadata="${metadataUrl}", scope="mcp", error="invalid_token"`)
  t.equal(refused.message.error?.message, 'Send a valid access token as "Authorization: Bearer <token>", or API key as "Authorization: Bearer <key>" or "X-API-Key: <key>"')
})

t.test('the metadata comes from the configuration, whatever the request says', async (t) => {
  const issuer = await playedIssuer(t, key)
  const app = await appFor(t, issuer, { OAUTH_REQUIRED_SCOPES: 'mcp', OAUTH_OPTIONAL_SCOPES: 'admin', SERVICE_NAME: 'Records' })
  for (const path of ['/.well-known/oauth-protected-resource', '/.well-known/oauth-protected-resource/mcp']) {
    for (const headers of [{}, { host: 'evil.example', origin: 'https://evil.example', 'x-forwarded-host': 'evil.example', forwarded: 'host=evil.example' }] as Array<Record<string, string>>) {
      const answer = await app.inject({ url: path, headers })
      t.equal(answer.statusCode, 200, path)
      t.match(answer.headers, { 'content-type': /^application\/json/, 'access-control-allow-origin': '*' })
      t.same(answer.json(), { resource, authorization_servers: [issuer.url], scopes_supported: ['mcp', 'admin'], bearer_methods_supported: ['header'], resource_name: 'Records' })
    }
    const preflight = await app.inject({ method: 'OPTIONS', url: path, headers: { origin: 'https://app.example', 'access-control-request-method': 'GET', 'access-control-request-headers': 'mcp-protocol-version' } })
    t.equal(preflight.statusCode, 204)
    t.match(preflight.headers, { 'access-control-allow-origin': '*', 'access-control-allow-methods': /GET/, 'access-control-allow-headers': '*' })
  }
  t.equal((await app.inject('/livez')).statusCode, 200, 'and the rest needs no token')
  t.equal((await app.inject('/livez')).headers['access-control-allow-origin'], undefined)
})

t.test('the metadata follows the path of the resource, and is only there with oauth', async (t) => {
  const issuer = await playedIssuer(t, key)
  const deep = await appFor(t, issuer, { OAUTH_RESOURCE: 'https://example.com/tools/v1/mcp' })
  t.equal((await deep.inject('/.well-known/oauth-protected-resource/tools/v1/mcp')).json().resource, 'https://example.com/tools/v1/mcp')
  t.equal((await list(deep)).headers['www-authenticate'], 'Bearer resource_metadata="https://example.com/.well-known/oauth-protected-resource/tools/v1/mcp"')

  const root = await appFor(t, issuer, { OAUTH_RESOURCE: 'https://example.com' })
  t.equal((await root.inject('/.well-known/oauth-protected-resource')).json().resource, 'https://example.com', 'no slash is added')

  const keysAlone = await buildApp(t, { env: { DATABASE_URL: url, API_KEY: apiKey } })
  t.equal((await keysAlone.inject('/.well-known/oauth-protected-resource')).statusCode, 404)
  t.equal((await list(keysAlone)).headers['www-authenticate'], 'Bearer realm="mcp"')
})

t.test('claims become roles and tenant as configured', async (t) => {
  const issuer = await playedIssuer(t, key)
  const app = await appFor(t, issuer, {
    OAUTH_ROLES_CLAIMS: 'realm_access.roles, https://example.com/roles',
    OAUTH_TENANT_CLAIM: 'org.id',
    ALLOWLIST_PATH: allowlistFile(t, 'roles:\n  reader: { allow: [search_records] }\n  ops: { allow: [get_pool_status] }\n  mcp: { allow: ["*"] }\n')
  })
  const seenWith = async (claims: Record<string, unknown>): Promise<string[]> => await mcpClient(app, { authorization: `Bearer ${await tokenOf(issuer, claims)}` }).list()
  t.same(await seenWith({ realm_access: { roles: ['reader'] }, 'https://example.com/roles': 'ops other', org: { id: 'acme' } }), ['get_pool_status', 'search_records'])
  t.same(await seenWith({ realm_access: { roles: ['reader'] }, scope: 'mcp', org: { id: 'acme' } }), ['search_records'], 'a scope is no role here')
  t.same(await seenWith({ roles: ['reader'], org: { id: 'acme' } }), [])
})

t.test('an issuer that is down stops neither the boot nor the others', async (t) => {
  const issuer = await playedIssuer(t, key)
  issuer.isDown = true
  const lines: Array<Record<string, unknown>> = []
  const app = await appFor(t, issuer, { AUTH_MODE: 'api-key,oauth', API_KEY: apiKey }, (line) => { lines.push(line) })

  const answer = await list(app, { authorization: `Bearer ${await tokenOf(issuer)}` })
  t.equal(answer.status, 503)
  t.equal(answer.headers['retry-after'], '10')
  t.equal(answer.headers['www-authenticate'], undefined, 'the token may be good')
  t.match(answer.message.error, { code: -32603, message: 'Access tokens can\'t be checked just now; try again later' })
  t.match(lines.filter(({ level }) => level === 50).map(({ msg, reason }) => `${String(msg)}: ${String(reason)}`)[0], /issuer's keys can't be had.*answered 503: http.*status 500/)
  t.equal((await list(app, { 'x-api-key': apiKey })).status, 200)
  t.equal((await list(app)).status, 401)
  t.equal((await app.inject('/readyz')).statusCode, 200, 'a restart would not help')
})

t.test('a known token is decided at once, so the hook waits for nothing', async (t) => {
  const issuer = await playedIssuer(t, key)
  const app = await appFor(t, issuer)
  const raw = { rawHeaders: ['Authorization', `Bearer ${await tokenOf(issuer)}`] }
  const ask = (): { request: { principal?: { id: string } }, isDecided: () => boolean, decided: Promise<unknown> } => {
    const request = { raw, principal: undefined }
    let isDecided = false
    const decided = new Promise((resolve) => {
      app.authenticate(request as never, {} as never, (error) => { isDecided = true; resolve(error) })
    })
    return { request, isDecided: () => isDecided, decided }
  }
  const first = ask()
  t.equal(first.isDecided(), false)
  t.equal(await first.decided, undefined)
  const second = ask()
  t.equal(second.isDecided(), true)
  t.equal(second.request.principal?.id, 'alice')
  t.same(issuer.asked, ['/.well-known/oauth-authorization-server', '/jwks'])
})

t.test('the log tells a caller with a token from one with a key, whatever their ids', async (t) => {
  const issuer = await playedIssuer(t, key)
  const lines: Array<Record<string, unknown>> = []
  const app = await appFor(t, issuer, { AUTH_MODE: 'api-key,oauth', API_KEY: apiKey }, (line) => { lines.push(line) })
  await mcpClient(app, { authorization: `Bearer ${await tokenOf(issuer, { sub: 'default' })}` }).call('get_pool_status')
  t.match(lines.find(({ msg }) => msg === 'tool call'), { principal: 'default', auth: 'oauth' })
})
