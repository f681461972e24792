import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { OAuthClientMetadata, OAuthClientProvider, OAuthDiscoveryState, OAuthTokens } from '@modelcontextprotocol/client'
import { exportJWK } from 'jose'
import Provider from 'oidc-provider'
import type { Test } from 'tap'
import { signingKey } from './issuer.ts'

const redirectUrl = 'http://127.0.0.1/callback'

/**
 * A real authorization server on loopback: authorization code with PKCE, resource indicators, access tokens as JWT.
 * @param scopesOf the scopes that each of its clients can get for the resource
 */
export async function authorizationServer (t: Test, resource: string, scopesOf: Record<string, string>): Promise<{ issuer: string }> {
  let answer: RequestListener = () => {}
  const server = createServer((request, response) => { answer(request, response) })
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const key = await signingKey('RS256')

  answer = new Provider(issuer, {
    clients: Object.keys(scopesOf).map((name) => ({ client_id: name, application_type: 'native', token_endpoint_auth_method: 'none', redirect_uris: [redirectUrl], grant_types: ['authorization_code'], response_types: ['code'] })),
    jwks: { keys: [{ ...await exportJWK(key.privateKey), kid: key.kid, alg: key.alg, use: 'sig' }] },
    cookies: { keys: ['of this test'] },
    pkce: { required: () => true },
    features: {
      devInteractions: { enabled: true },
      resourceIndicators: {
        enabled: true,
        useGrantedResource: () => true,
        getResourceServerInfo: (_context: unknown, asked: string, client: { clientId: string }) => ({
          audience: asked,
          scope: asked === resource ? scopesOf[client.clientId] : '',
          accessTokenFormat: 'jwt',
          accessTokenTTL: 600,
          jwt: { sign: { alg: key.alg } }
        })
      }
    }
  }).callback()
  return { issuer }
}

/** What an MCP client keeps for a sign-in, in memory; `visited` is where it would have sent the browser. */
export class SignIn implements OAuthClientProvider {
  readonly redirectUrl = redirectUrl
  readonly clientMetadata: OAuthClientMetadata = { redirect_uris: [redirectUrl] }
  readonly clientId: string
  visited: URL | undefined
  private saved: OAuthTokens | undefined
  private verifier = ''
  private discovered: OAuthDiscoveryState | undefined

  constructor (clientId: string) {
    this.clientId = clientId
  }

  clientInformation (): { client_id: string } { return { client_id: this.clientId } }
  tokens (): OAuthTokens | undefined { return this.saved }
  saveTokens (tokens: OAuthTokens): void { this.saved = tokens }
  redirectToAuthorization (url: URL): void { this.visited = url }
  saveCodeVerifier (verifier: string): void { this.verifier = verifier }
  codeVerifier (): string { return this.verifier }
  saveDiscoveryState (state: OAuthDiscoveryState): void { this.discovered = state }
  discoveryState (): OAuthDiscoveryState | undefined { return this.discovered }
}

/** Plays the browser of a person who signs in and agrees; what the client's callback gets. */
export async function browse (start: URL, login: string): Promise<URLSearchParams> {
  const jar = new Map<string, string>()
  let url = start
  let form: URLSearchParams | undefined
  for (let page = 0; page < 20; page++) {
    const response = await fetch(url, { redirect: 'manual', method: form === undefined ? 'GET' : 'POST', body: form, headers: { cookie: [...jar].map((pair) => pair.join('=')).join('; ') } })
    for (const cookie of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? []
      jar.set(name, value)
    }
    const text = await response.text()
    const location = response.headers.get('location')
    form = undefined
    if (location?.startsWith(redirectUrl) === true) return new URL(location).searchParams
    if (location !== null) url = new URL(location, url)
    else {
      const [, action = ''] = /<form[^>]* action="([^"]+)"/.exec(text) ?? []
      const [, prompt = ''] = /name="prompt" value="([^"]+)"/.exec(text) ?? []
      if (action === '' || prompt === '') throw new Error(`${response.status} at ${url.href}: ${text.replace(/<style>[^]*<\/style>|<[^>]*>|\s+/g, ' ').slice(0, 500)}`)
      url = new URL(action, url)
      form = new URLSearchParams({ prompt, ...prompt === 'login' ? { login, password: 'any' } : {} })
    }
  }
  throw new Error(`no end at ${url.href}`)
}
