import { Type, type Static, type TSchema } from 'typebox'
import { name } from '../src/version.ts'

/**
 * Every variable of the server, once: type, default, range, description, secret or not.
 * `errorMessage` is the sentence an operator reads when the value is wrong; it follows the variable's name.
 */
const secret = { 'x-secret': true }

const milliseconds = (minimum: number, maximum: number, fallback: number, description: string) =>
  Type.Integer({ minimum, maximum, default: fallback, description, errorMessage: `must be a whole number of milliseconds from ${minimum} to ${maximum}` })

const count = (minimum: number, maximum: number, fallback: number, description: string) =>
  Type.Integer({ minimum, maximum, default: fallback, description, errorMessage: `must be a whole number from ${minimum} to ${maximum}` })

const scopes = (description: string) =>
  Type.String({ default: '', pattern: '^[ !#-\\[\\]-~]*$', description, errorMessage: 'must be scopes separated by spaces or commas' })

const postgresUrl = (description: string) =>
  Type.Optional(Type.String({ ...secret, pattern: '^postgres(ql)?://', description, errorMessage: 'must start with postgres:// or postgresql://' }))

export const envSchema = Type.Object({
  PORTCULLIS_ENV: Type.Enum(['development', 'production'], { default: 'development', description: 'development serves loopback only and may use the embedded database and generated keys; production refuses to boot without database, key, secret and host list', errorMessage: 'must be development or production' }),
  HOST: Type.String({ default: '127.0.0.1', pattern: '^[0-9A-Za-z.:-]+$', description: 'Address to listen on; anything but loopback demands PORTCULLIS_ENV=production', errorMessage: 'must be an IP address or a host name' }),
  PORT: count(1, 65535, 8000, 'Port to listen on'),
  ALLOWED_HOSTS: Type.String({ default: 'localhost,127.0.0.1,[::1]', description: 'Host header values that may reach /mcp, separated by commas; without a port any port matches' }),
  ALLOWED_ORIGINS: Type.String({ default: '', description: 'Origins of browser pages, besides the server\'s own, that may reach /mcp, separated by commas (https://app.example.com)' }),
  SERVICE_NAME: Type.String({ default: name, 'x-default': '(name in package.json)', maxLength: 100, description: 'Name of the server towards clients, the database and telemetry', errorMessage: 'must be at most 100 characters' }),
  SERVICE_DESCRIPTION: Type.String({ default: 'Searches and summarises research records.', description: 'Instructions that MCP clients hand to their model' }),
  LOG_LEVEL: Type.Enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], { default: 'info', description: 'Least severe level that is logged; upper case and the Python names WARNING and CRITICAL work too', errorMessage: 'must be one of trace, debug, info, warn, error, fatal, silent' }),
  AUTH_MODE: Type.Optional(Type.Enum(['api-key', 'oauth', 'api-key,oauth', 'none'], { description: 'What every request to /mcp carries: api-key, a key; oauth, an access token of OAUTH_ISSUER; api-key,oauth, either; none: development only. Unset: api-key in production or when API_KEY or API_KEYS_FILE is set, else none', errorMessage: 'must be api-key, oauth, both separated by a comma, or none alone' })),
  API_KEY_ENABLED: Type.Optional(Type.Boolean({ description: 'false is another way to say AUTH_MODE=none', errorMessage: 'must be true or false' })),
  API_KEY: Type.Optional(Type.String({ ...secret, minLength: 16, pattern: '^[\\x21-\\x7e]*$', description: 'Key that clients send as "Authorization: Bearer <key>" or "X-API-Key: <key>"', errorMessage: 'must be at least 16 visible ASCII characters; make one with: openssl rand -hex 32' })),
  API_KEYS_FILE: Type.Optional(Type.String({ description: 'File of hashed API keys with id, roles and expiry, a line each; make one with: portcullis keys new. It is followed: a key that is taken out is dead within 250 ms' })),
  OAUTH_ISSUER: Type.Optional(Type.String({ pattern: '^https?://[^?#@"\\\\\\s]+$', description: 'Authorization server whose access tokens are taken: the URL that its tokens carry as iss, compared character by character, a trailing slash included', errorMessage: 'must be the URL of the authorization server as its tokens name it, without query or fragment, such as https://auth.example.com' })),
  OAUTH_RESOURCE: Type.Optional(Type.String({ pattern: '^https?://[^/?#@"\\\\\\s]+(/[A-Za-z0-9._~-]+)*$', description: 'Address of /mcp as clients use it, which access tokens must carry as audience (RFC 8707)', errorMessage: 'must be the address of /mcp as clients use it, such as https://mcp.example.com/mcp, without trailing slash, query or fragment' })),
  OAUTH_JWKS_URL: Type.Optional(Type.String({ pattern: '^https?://[^#@\\s]+$', description: 'Keys of the issuer. Unset: the jwks_uri of its metadata (RFC 8414 or OpenID Connect Discovery)', errorMessage: 'must be a URL such as https://auth.example.com/jwks' })),
  OAUTH_REQUIRED_SCOPES: scopes('Scopes without which an access token opens nothing, separated by spaces or commas'),
  OAUTH_OPTIONAL_SCOPES: scopes('Scopes that clients are told to ask for besides the required ones, such as those that the allowlist has roles for'),
  OAUTH_ROLES_CLAIMS: Type.String({ default: 'scope', pattern: '[^ ,]', description: 'Claims of an access token whose values are the roles of its holder, separated by spaces or commas; dots lead into objects (realm_access.roles)', errorMessage: 'must name at least one claim' }),
  OAUTH_TENANT_CLAIM: Type.Optional(Type.String({ pattern: '^[^ ,]+$', description: 'Claim of an access token that holds the tenant of its holder', errorMessage: 'must be the name of one claim' })),
  PORTCULLIS_SECRET: Type.Optional(Type.String({ ...secret, minLength: 32, description: 'Shared by all replicas; the keys that seal request state are derived from it. Generated in development', errorMessage: 'must be at least 32 bytes; make one with: openssl rand -hex 32' })),
  DATABASE_URL: postgresUrl('PostgreSQL to use. Unset in development: a private embedded PostgreSQL with sample data'),
  MIGRATION_DATABASE_URL: postgresUrl('Used by db:migrate and db:seed when their role differs; falls back to DATABASE_URL'),
  DB_POOL_MIN: count(0, 1000, 5, 'Connections opened at boot'),
  DB_POOL_MAX: count(1, 1000, 20, 'Most connections of the pool'),
  DB_ACQUIRE_TIMEOUT_MS: milliseconds(1, 600_000, 2_000, 'Longest wait of a call for a connection'),
  CALL_TIMEOUT_MS: milliseconds(1, 3_600_000, 30_000, 'Longest run of a tool call; a tool may ask for less'),
  EGRESS_HOSTS: Type.String({ default: '', description: 'Hosts that tools may call through call.fetch, separated by commas (api.example.com, *.example.com, localhost:9000); without a port any port matches; none by default' }),
  EGRESS_MAX_RESPONSE_BYTES: Type.Integer({ minimum: 1, maximum: 1_073_741_824, default: 1_048_576, description: 'Longest response body that call.fetch takes, after decompression', errorMessage: 'must be a whole number of bytes from 1 to 1073741824' }),
  ALLOWLIST_PATH: Type.String({ default: 'config/allowlist.yaml', description: 'File that says which tools may be called' }),
  SHUTDOWN_GRACE_MS: milliseconds(100, 600_000, 25_000, 'Time that calls in flight get to finish after SIGTERM')
})

export type EnvName = keyof Static<typeof envSchema>
export type Env = Static<typeof envSchema>

export const variables = Object.entries(envSchema.properties) as Array<[EnvName, TSchema & { type?: string, enum?: string[], errorMessage?: string, 'x-secret'?: boolean }]>

/** Settings of parts that are still to come. One that is set refuses to boot, so nobody believes that it works. */
export const reserved = ['KILL_SWITCH', 'KILL_SWITCH_FILE', 'AUDIT_MODE', 'AUDIT_SIGNING_KEY', 'REDACTION_PATH', 'ADMIN_TOKEN'] as const
