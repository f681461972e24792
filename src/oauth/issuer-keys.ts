import type { FastifyBaseLogger } from 'fastify'
import { createLocalJWKSet, type JSONWebKeySet } from 'jose'
import { isSecureUrl } from '../../config/rules.ts'
import { readJson } from './read-json.ts'

export interface IssuerKeysOptions {
  issuer: string
  /** Where the keys are; absent: where the issuer's metadata says. */
  jwksUrl?: string
  log: Pick<FastifyBaseLogger, 'info' | 'error'>
  /** For tests. */
  read?: (url: string, signal: AbortSignal) => Promise<unknown>
  now?: () => number
  every?: (ms: number, task: () => void) => () => void
}

export type KeySet = ReturnType<typeof createLocalJWKSet>

export interface IssuerKeys {
  /** What the issuer published last; undefined until it could be had once. Another object for another set of keys. */
  readonly current: KeySet | undefined
  /** Whether the issuer was asked lately. It need not have answered: in an outage the keys known so far hold. */
  isFresh: () => boolean
  /** Asks the issuer, though not again within the cool-down; callers at the same time share one answer. Never rejects. */
  refresh: () => Promise<void>
  /** Asks regularly from now on. */
  follow: () => void
  stop: () => void
}

/** A key that leaves the set is noticed at the next look, two looks may fail, and it must be dead after a minute. */
const lookEveryMs = 20_000
const freshForMs = 60_000
export const coolDownMs = 10_000
const timeoutMs = 5_000

/** The public keys of an issuer (RFC 7517), held in memory and followed. */
export function createIssuerKeys ({ issuer, jwksUrl, log, read = readJson, now = Date.now, every = repeat }: IssuerKeysOptions): IssuerKeys {
  const closing = new AbortController()
  let current: KeySet | undefined
  let published = ''
  let discovered: string | undefined
  let askedAt = -Infinity
  let asking: Promise<void> | undefined
  let stopLooking = (): void => {}

  async function ask (): Promise<void> {
    askedAt = now()
    const signal = AbortSignal.any([closing.signal, AbortSignal.timeout(timeoutMs)])
    try {
      discovered ??= jwksUrl ?? await discover(issuer, (url) => read(url, signal))
      take(await read(discovered, signal))
    } catch (error) {
      discovered = undefined // they may have moved
      if (closing.signal.aborted) return
      log.error({ issuer, reason: (error as Error).message }, current === undefined
        ? 'the issuer\'s keys can\'t be had: until then requests with an access token are answered 503'
        : 'the issuer\'s keys can\'t be had: those known so far still hold')
    } finally {
      asking = undefined
    }
  }

  function take (keys: unknown): void {
    const text = JSON.stringify(keys)
    if (text === published) return
    const next = createLocalJWKSet(keys as JSONWebKeySet) // throws when it is no set of keys
    log.info({ issuer, keys: (keys as JSONWebKeySet).keys.length }, current === undefined ? 'keys of the issuer loaded' : 'keys of the issuer have changed')
    current = next
    published = text
  }

  async function look (): Promise<void> {
    asking ??= ask()
    await asking
  }

  return {
    get current () { return current },
    isFresh: () => now() - askedAt < freshForMs,
    refresh: async () => {
      if (now() - askedAt >= coolDownMs) await look()
      else await asking
    },
    follow: () => {
      look()
      stopLooking = every(lookEveryMs, look) // whatever the clock says meanwhile
    },
    stop: () => {
      stopLooking()
      closing.abort()
    }
  }
}

/** The jwks_uri of the issuer's metadata, looked for where MCP clients look. */
async function discover (issuer: string, read: (url: string) => Promise<unknown>): Promise<string> {
  const faults: string[] = []
  for (const url of metadataUrls(issuer)) {
    try {
      return jwksUrlIn(await read(url), issuer, url)
    } catch (error) {
      faults.push((error as Error).message)
    }
  }
  throw new Error(faults.join('; '))
}

function jwksUrlIn (metadata: unknown, issuer: string, url: string): string {
  const { issuer: named, jwks_uri: jwksUrl } = (metadata ?? {}) as Record<string, unknown>
  if (named !== issuer) throw new Error(`${url}: it speaks of the issuer ${JSON.stringify(named)?.slice(0, 200)}; OAUTH_ISSUER must be the same, character by character`)
  if (typeof jwksUrl !== 'string' || !isSecureUrl(jwksUrl)) throw new Error(`${url}: its jwks_uri is no https URL; set OAUTH_JWKS_URL`)
  return jwksUrl
}

/** RFC 8414 §3.1 and OpenID Connect Discovery §4.1, which disagree on where the path of the issuer goes. */
function metadataUrls (issuer: string): Set<string> {
  const { origin, pathname } = new URL(issuer)
  const path = pathname.replace(/\/$/, '')
  return new Set([`${origin}/.well-known/oauth-authorization-server${path}`, `${origin}/.well-known/openid-configuration${path}`, `${origin}${path}/.well-known/openid-configuration`])
}

function repeat (ms: number, task: () => void): () => void {
  const timer = setInterval(task, ms).unref()
  return () => { clearInterval(timer) }
}
