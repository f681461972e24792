import { isIP } from 'node:net'
import { isJwt } from '../src/credentials.ts'
import { parseHostEntry, splitList } from '../src/hosts.ts'
import { isProxyEntry } from '../src/proxies.ts'
import { parseEgressHost } from '../src/upstream.ts'
import type { Env } from './env.ts'

type Check = (env: Env, given: ReadonlySet<string>) => string | undefined

/** Values that ship in examples or that people type to get going; none of them is a secret. */
const placeholder = /change.?(me|it|this)|place.?holder|your.?(api.?)?(key|secret)|dev.?api.?key|^(secret|password|test|example|default|insert|todo|xxx)|^(?<unit>.{1,4})\k<unit>+$/i

/** Rules between variables. Each names the variables it reads, so that it stays silent where one of them is wrong already. */
const checks: Array<[reads: Array<keyof Env>, check: Check]> = [
  [['DB_POOL_MIN', 'DB_POOL_MAX'], (env) => env.DB_POOL_MIN > env.DB_POOL_MAX ? `DB_POOL_MIN (${env.DB_POOL_MIN}) must not exceed DB_POOL_MAX (${env.DB_POOL_MAX})` : undefined],
  [['SHUTDOWN_DELAY_MS', 'SHUTDOWN_GRACE_MS'], (env) => env.SHUTDOWN_DELAY_MS !== undefined && env.SHUTDOWN_DELAY_MS > env.SHUTDOWN_GRACE_MS / 2 ? `SHUTDOWN_DELAY_MS (${env.SHUTDOWN_DELAY_MS}) must be at most half of SHUTDOWN_GRACE_MS (${env.SHUTDOWN_GRACE_MS}): calls in flight need the rest` : undefined],
  [['DATABASE_URL'], (env) => urlProblem('DATABASE_URL', env.DATABASE_URL)],
  [['MIGRATION_DATABASE_URL'], (env) => urlProblem('MIGRATION_DATABASE_URL', env.MIGRATION_DATABASE_URL)],
  [['API_KEY'], (env) => isPlaceholder(env.API_KEY) ? 'API_KEY is a placeholder; make one with: openssl rand -hex 32' : undefined],
  [['PORTCULLIS_SECRET'], (env) => isPlaceholder(env.PORTCULLIS_SECRET) ? 'PORTCULLIS_SECRET is a placeholder; make one with: openssl rand -hex 32' : undefined],
  [['ALLOWED_HOSTS'], (env) => entryProblem('ALLOWED_HOSTS', env.ALLOWED_HOSTS, (entry) => parseHostEntry(entry) !== undefined, 'a host name, with or without a port')],
  [['ALLOWED_ORIGINS'], (env) => entryProblem('ALLOWED_ORIGINS', env.ALLOWED_ORIGINS, isOrigin, 'an origin such as https://app.example.com')],
  [['TRUST_PROXY'], (env) => proxyProblem(env.TRUST_PROXY)],
  [['EGRESS_HOSTS'], (env) => entryProblem('EGRESS_HOSTS', env.EGRESS_HOSTS, (entry) => parseEgressHost(entry) !== undefined, 'a host name, with or without a port, such as api.example.com or *.example.com')],
  [['ALLOWED_HOSTS'], (env) => splitList(env.ALLOWED_HOSTS).length === 0 ? 'ALLOWED_HOSTS names no host' : undefined],
  [['AUTH_MODE', 'API_KEY_ENABLED'], (env) => uses(env, 'api-key') && env.API_KEY_ENABLED === false ? `AUTH_MODE=${env.AUTH_MODE} contradicts API_KEY_ENABLED=false; drop one` : undefined],
  [['AUTH_MODE', 'API_KEY_ENABLED'], (env) => env.AUTH_MODE !== undefined && !uses(env, 'api-key') && env.API_KEY_ENABLED === true ? `AUTH_MODE=${env.AUTH_MODE} contradicts API_KEY_ENABLED=true; drop one` : undefined],
  [['AUTH_MODE', 'API_KEY_ENABLED', 'API_KEY', 'API_KEYS_FILE'], (env) => env.AUTH_MODE === 'oauth' && env.API_KEY_ENABLED !== false && hasKeys(env) ? 'API_KEY and API_KEYS_FILE open nothing when AUTH_MODE is oauth; unset them, or set AUTH_MODE=api-key,oauth' : undefined],
  [['AUTH_MODE', 'API_KEY'], (env) => uses(env, 'oauth') && env.API_KEY !== undefined && isJwt(env.API_KEY) ? 'API_KEY looks like an access token, for which AUTH_MODE would take it; make one with: openssl rand -hex 32' : undefined],
  [['AUTH_MODE', 'OAUTH_ISSUER'], (env) => uses(env, 'oauth') && env.OAUTH_ISSUER === undefined ? 'OAUTH_ISSUER is required when AUTH_MODE has oauth: the URL of the authorization server as its tokens name it' : undefined],
  [['AUTH_MODE', 'OAUTH_RESOURCE'], (env) => uses(env, 'oauth') && env.OAUTH_RESOURCE === undefined ? 'OAUTH_RESOURCE is required when AUTH_MODE has oauth: the address of /mcp as clients use it' : undefined],
  [['AUTH_MODE'], unusedOauth],
  [['OAUTH_ISSUER'], (env) => insecure('OAUTH_ISSUER', env.OAUTH_ISSUER)],
  [['OAUTH_RESOURCE'], (env) => insecure('OAUTH_RESOURCE', env.OAUTH_RESOURCE) ?? (isCanonical(env.OAUTH_RESOURCE) ? undefined : 'OAUTH_RESOURCE must be written the short way: scheme and host in lower case, no default port, no dots as segments')],
  [['OAUTH_JWKS_URL'], (env) => insecure('OAUTH_JWKS_URL', env.OAUTH_JWKS_URL)],
  [['PORTCULLIS_ENV', 'AUTH_MODE', 'API_KEY_ENABLED', 'API_KEY', 'API_KEYS_FILE'], (env) => env.PORTCULLIS_ENV === 'development' && !hasKeys(env) && (uses(env, 'api-key') || env.API_KEY_ENABLED === true) ? 'API_KEY or API_KEYS_FILE is required when API key authentication is on' : undefined],
  [['PORTCULLIS_ENV', 'HOST'], (env) => env.PORTCULLIS_ENV === 'development' && !isLoopback(env.HOST) ? 'HOST is not a loopback address; development serves loopback only: set PORTCULLIS_ENV=production, with the settings it asks for' : undefined],
  [['PORTCULLIS_ENV', 'HOST', 'ALLOWED_HOSTS'], (env, given) => (env.PORTCULLIS_ENV === 'production' || !isLoopback(env.HOST)) && !given.has('ALLOWED_HOSTS') ? 'ALLOWED_HOSTS is required in production and on a non-loopback HOST: the names under which clients reach the server' : undefined],
  [['PORTCULLIS_ENV', 'DATABASE_URL'], (env) => env.PORTCULLIS_ENV === 'production' && env.DATABASE_URL === undefined ? 'DATABASE_URL is required in production' : undefined],
  [['PORTCULLIS_ENV', 'PORTCULLIS_SECRET'], (env) => env.PORTCULLIS_ENV === 'production' && env.PORTCULLIS_SECRET === undefined ? 'PORTCULLIS_SECRET is required in production; make one with: openssl rand -hex 32' : undefined],
  [['PORTCULLIS_ENV', 'AUTH_MODE', 'API_KEY_ENABLED'], (env) => env.PORTCULLIS_ENV === 'production' && (env.AUTH_MODE === 'none' || (env.API_KEY_ENABLED === false && !uses(env, 'oauth'))) ? 'authentication can\'t be off in production; drop AUTH_MODE=none and API_KEY_ENABLED=false' : undefined],
  [['PORTCULLIS_ENV', 'API_KEY', 'API_KEYS_FILE', 'AUTH_MODE', 'API_KEY_ENABLED'], (env) => env.PORTCULLIS_ENV === 'production' && !hasKeys(env) && env.AUTH_MODE !== 'none' && env.AUTH_MODE !== 'oauth' && env.API_KEY_ENABLED !== false ? 'API_KEY (make one with: openssl rand -hex 32) or API_KEYS_FILE is required in production, unless AUTH_MODE=oauth' : undefined]
]

/** Sentences for every rule that the valid part of the configuration breaks. */
export function crossChecks (env: Env, given: ReadonlySet<string>, faulty: ReadonlySet<string>): string[] {
  return checks
    .filter(([reads]) => !reads.some((name) => faulty.has(name)))
    .flatMap(([, check]) => check(env, given) ?? [])
}

/** Whether there is a key that a client could present. */
export function hasKeys (env: Pick<Env, 'API_KEY' | 'API_KEYS_FILE'>): boolean {
  return env.API_KEY !== undefined || env.API_KEYS_FILE !== undefined
}

/** Whether a way to authenticate is on. */
export function uses ({ AUTH_MODE }: Pick<Env, 'AUTH_MODE'>, way: 'api-key' | 'oauth'): boolean {
  return AUTH_MODE?.split(',').includes(way) === true
}

/** Whether what travels to the URL is safe on its way: https, or http that stays on this machine. */
export function isSecureUrl (text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, hostname } = new URL(text)
  return protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname.replace(/^\[(.*)\]$/, '$1')))
}

/** Whether only this machine can reach the address. */
export function isLoopback (host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}

function unusedOauth (env: Env, given: ReadonlySet<string>): string | undefined {
  const unused = [...given].filter((name) => name.startsWith('OAUTH_')).sort()
  if (uses(env, 'oauth') || unused.length === 0) return undefined
  return `${unused.join(', ')} ${unused.length === 1 ? 'is' : 'are'} set, but AUTH_MODE has no oauth; add it, or unset ${unused.length === 1 ? 'it' : 'them'}`
}

function insecure (name: string, value: string | undefined): string | undefined {
  return value === undefined || isSecureUrl(value) ? undefined : `${name} must be an https URL; http will do for this machine alone (127.0.0.1, localhost)`
}

/** Audiences are compared as text, so there must be one way to write them. */
function isCanonical (resource: string | undefined): boolean {
  return resource === undefined || [resource, `${resource}/`].includes(new URL(resource).href)
}

function isPlaceholder (value: string | undefined): boolean {
  return value !== undefined && placeholder.test(value)
}

function urlProblem (name: string, value: string | undefined): string | undefined {
  if (value === undefined) return undefined
  try {
    const { username, password, hostname, pathname, hash } = new URL(value)
    decodeURIComponent(username + password + hostname + pathname)
    // a '#' or '/' in a password ends the part that was meant to hold it
    if (hash === '' && !/^\/[^/]*[@/]/.test(pathname)) return undefined
  } catch {
    // told below
  }
  return `${name} can't be read as a URL; percent-encode special characters in its user name and password`
}

function entryProblem (name: string, value: string, isGood: (entry: string) => boolean, wanted: string): string | undefined {
  const bad = splitList(value).find((entry) => !isGood(entry))
  return bad === undefined ? undefined : `${name} holds "${bad}", which is not ${wanted}`
}

function proxyProblem (value: string | undefined): string | undefined {
  if (value === undefined) return undefined
  if (/^(true|all|\*|yes|on)$/i.test(value)) return `TRUST_PROXY=${value} would let every caller choose its own address; name the addresses of your proxies, such as 10.0.0.0/8`
  if (/^\d+$/.test(value)) return `TRUST_PROXY=${value} is a number of hops, which can't tell a proxy from a caller that connects directly; name the addresses of your proxies, such as 10.0.0.0/8`
  if (splitList(value).length === 0) return 'TRUST_PROXY names no proxy; unset it'
  return entryProblem('TRUST_PROXY', value, isProxyEntry, 'an address, a range such as 10.0.0.0/8, loopback, linklocal or uniquelocal')
}

function isOrigin (entry: string): boolean {
  return /^https?:\/\/[^*]+$/i.test(entry) && URL.canParse(entry) && new URL(entry).origin === entry.toLowerCase()
}
