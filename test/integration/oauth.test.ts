import { Client, StreamableHTTPClientTransport, UnauthorizedError } from '@modelcontextprotocol/client'
import { decodeJwt } from 'jose'
import t, { type Test } from 'tap'
import { allowlistFile } from '../helpers/allowlist.ts'
import { authorizationServer, browse, SignIn } from '../helpers/authorization-server.ts'
import { buildApp } from '../helpers/build-app.ts'
import { mcpClient } from '../helpers/mcp-client.ts'
import { freePort } from '../helpers/server-process.ts'

const port = await freePort()
const origin = `http://127.0.0.1:${port}`
const resource = `${origin}/mcp`
const { issuer } = await authorizationServer(t, resource, { analysts: 'mcp analyst', readers: 'mcp', strangers: 'analyst' })
const app = await buildApp(t, {
  env: {
    AUTH_MODE: 'oauth',
    OAUTH_ISSUER: issuer,
    OAUTH_RESOURCE: resource,
    OAUTH_REQUIRED_SCOPES: 'mcp',
    OAUTH_OPTIONAL_SCOPES: 'analyst',
    ALLOWLIST_PATH: allowlistFile(t, 'roles:\n  mcp: { allow: [get_pool_status] }\n  analyst: { allow: [get_statistics] }\n')
  }
})
await app.listen({ host: '127.0.0.1', port })

/** Connects as a client of the SDK does: refused first, then it signs in and comes again. */
async function signIn (t: Test, clientId: string): Promise<{ client: Client, token: string }> {
  const provider = new SignIn(clientId)
  const connect = async (): Promise<Client> => {
    const client = new Client({ name: clientId, version: '1' }, { versionNegotiation: { mode: 'auto' } })
    await client.connect(transport)
    return client
  }
  let transport = new StreamableHTTPClientTransport(new URL(resource), { authProvider: provider })
  await t.rejects(connect(), UnauthorizedError)
  t.match(provider.visited?.href, `${issuer}/auth?`, 'it has found the authorization server by itself')
  t.match(Object.fromEntries(provider.visited?.searchParams ?? []), { resource, scope: 'mcp analyst', code_challenge_method: 'S256' })

  await transport.finishAuth(await browse(provider.visited as URL, 'alice'))
  transport = new StreamableHTTPClientTransport(new URL(resource), { authProvider: provider })
  const token = provider.tokens()?.access_token as string
  const client = await connect()
  t.teardown(async () => { await client.close() })
  return { client, token }
}

t.test('a client signs in with PKCE and calls what the roles of its token allow', async (t) => {
  const { client, token } = await signIn(t, 'analysts')
  t.match(decodeJwt(token), { iss: issuer, aud: resource, sub: 'alice', scope: 'mcp analyst' })
  t.same((await client.listTools()).tools.map(({ name }) => name), ['get_pool_status', 'get_statistics'])
  t.match(await client.callTool({ name: 'get_statistics', arguments: {} }), { structuredContent: { total: 0 } })
})

t.test('without the scope that is a role the tool is gone, as if it had never been there', async (t) => {
  const { client, token } = await signIn(t, 'readers')
  t.equal(decodeJwt(token).scope, 'mcp')
  t.same((await client.listTools()).tools.map(({ name }) => name), ['get_pool_status'])
  await t.rejects(client.callTool({ name: 'get_statistics', arguments: {} }), { code: -32602 })

  const raw = mcpClient(app, { authorization: `Bearer ${token}` })
  for (const era of ['modern', 'legacy'] as const) {
    const hidden = await raw.call('get_statistics', {}, { era })
    const unknown = await raw.call('get_statisticz', {}, { era })
    t.equal(hidden.text, unknown.text.replaceAll('get_statisticz', 'get_statistics'), era)
    t.equal(hidden.status, unknown.status)
  }
})

t.test('without a scope that everything needs, the client is told which', async (t) => {
  const provider = new SignIn('strangers')
  const transport = new StreamableHTTPClientTransport(new URL(resource), { authProvider: provider })
  await t.rejects(new Client({ name: 'x', version: '1' }, { versionNegotiation: { mode: 'auto' } }).connect(transport), UnauthorizedError)
  await transport.finishAuth(await browse(provider.visited as URL, 'mallory'))

  const refused = await mcpClient(app, { authorization: `Bearer ${provider.tokens()?.access_token}` }).request('tools/list')
  t.equal(refused.status, 403)
  t.equal(refused.headers['www-authenticate'], `Bearer resource_metadata="${origin}/.well-known/oauth-protected-resource/mcp", scope="mcp", error="insufficient_scope"`)
  t.match(refused.message.error, { code: 4004, message: 'The access token needs all of these scopes: mcp' })
})
