import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK, type JWTHeaderParameters, type JWTPayload } from 'jose'
import type { Test } from 'tap'

/** A key of an issuer that the test plays. */
export interface SigningKey { alg: string, kid: string, privateKey: CryptoKey, publicKey: CryptoKey, jwk: JWK }

export async function signingKey (alg = 'ES256', kid = `key-${alg}`): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
  return { alg, kid, privateKey, publicKey, jwk: { ...await exportJWK(publicKey), kid, alg, use: 'sig' } }
}

/** A token with exactly these claims. */
export async function signed ({ alg, kid, privateKey }: SigningKey, claims: JWTPayload, header: Partial<JWTHeaderParameters> = {}): Promise<string> {
  return await new SignJWT(claims).setProtectedHeader({ alg, kid, typ: 'at+jwt', ...header }).sign(privateKey)
}

export interface PlayedIssuer {
  url: string
  /** What is published now. */
  keys: JWK[]
  /** The paths that were asked, in order. */
  asked: string[]
  /** Answers everything 500 while it is set. */
  isDown: boolean
}

/** An authorization server's metadata and keys on loopback, gone with the test. */
export async function playedIssuer (t: Test, ...keys: SigningKey[]): Promise<PlayedIssuer> {
  const server = createServer((request, response) => {
    issuer.asked.push(request.url ?? '')
    const documents: Record<string, unknown> = {
      '/.well-known/oauth-authorization-server': { issuer: issuer.url, jwks_uri: `${issuer.url}/jwks` },
      '/jwks': { keys: issuer.keys }
    }
    const document = documents[request.url ?? '']
    response.writeHead(issuer.isDown ? 500 : document === undefined ? 404 : 200, { 'content-type': 'application/json' }).end(JSON.stringify(document))
  })
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const issuer: PlayedIssuer = { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, keys: keys.map(({ jwk }) => jwk), asked: [], isDown: false }
  return issuer
}
