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

const bytes = (minimum: number, maximum: number, fallback: number, description: string) =>
  Type.Integer({ minimum, maximum, default: fallback, description, errorMessage: `must be a whole number of bytes from ${minimum} to ${maximum}` })

const exporters = (kinds: readonly string[], description: string) =>
  Type.Optional(Type.String({ pattern: `^(none|(${kinds.join('|')})( *, *(${kinds.join('|')}))*)$`, description, errorMessage: `must be none, or one or more of ${kinds.join(', ')} separated by commas` }))

const scopes = (description: string) =>
  Type.String({ default: '', pattern: '^[ !#-\\[\\]-~]*$', description, errorMessage: 'must be scopes separated by spaces or commas' })

const postgresUrl = (description: string) =>
  Type.Optional(Type.String({ ...secret, pattern: '^postgres(ql)?://', description, errorMessage: 'must start with postgres:// or postgresql://' }))

export const envSchema = Type.Object({
  PORTCULLIS_ENV: Type.Enum(['development', 'production'], { default: 'development', description: 'development serves loopback only and may use the embedded database and generated keys; production refuses to boot without database, key, secret and host list', errorMessage: 'must be development or production' }),
  HOST: Type.String({ default: '127.0.0.1', pattern: '^[0-9A-Za-z.:-]+$', description: 'Address to listen on; anything but loopback demands PORTCULLIS_ENV=production', errorMessage: 'must be an IP address or a host name' }),
  PORT: count(1, 65535, 8000, 'Port to listen on'),
  ALLOWED_HOSTS: Type.String({ default: 'localhost,127.0.0.1,[::1]', description: 'Host header values that may reach /mcp, separated by commas; without a port any port matches' }),
  ALLOWED_ORIGINS: Type.String({ default: '', description: 'Origins of browser pages, besides the server\'s own, that may reach /mcp and read its answers (CORS), separated by commas (https://app.example.com)' }),
  TRUST_PROXY: Type.Optional(Type.String({ description: 'Proxies whose X-Forwarded-For is believed, separated by commas: addresses, ranges (10.0.0.0/8), loopback, linklocal, uniquelocal. Unset: nobody\'s' })),
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
  DATABASE_URL: postgresUrl('PostgreSQL to use; in production with a role that is read-only by default (docs/database.md). Unset in development: a private embedded PostgreSQL with sample data'),
  DATABASE_READ_URL: postgresUrl('Replica for tools that read; they may see data that is a little old. Falls back to DATABASE_URL'),
  DATABASE_DIRECT_URL: postgresUrl('The same database without a pooler between, for what a transaction pooler can\'t do: cancelling, advisory locks, LISTEN. Falls back to DATABASE_URL'),
  MIGRATION_DATABASE_URL: postgresUrl('The same database for the owner of its tables: used by db:migrate, which also prepares the role of DATABASE_URL, and by db:seed; falls back to DATABASE_URL'),
  DB_POOL_MIN: count(0, 1000, 5, 'Connections opened at boot'),
  DB_POOL_MAX: count(1, 1000, 20, 'Most connections of the pool'),
  DB_ACQUIRE_TIMEOUT_MS: milliseconds(1, 600_000, 2_000, 'Longest wait of a call for a connection'),
  DB_PREPARED_STATEMENTS: Type.Boolean({ default: true, description: 'Whether statements are prepared once per connection; false for poolers that can\'t keep them in transaction mode, such as PgBouncer before 1.21', errorMessage: 'must be true or false' }),
  CALL_TIMEOUT_MS: milliseconds(1, 3_600_000, 30_000, 'Longest run of a tool call; a tool may ask for less'),
  RESULT_LIMIT_BYTES: Type.Integer({ minimum: 1, maximum: 1_073_741_824, default: 1_048_576, description: 'Longest result of a tool call; a longer one is withheld', errorMessage: 'must be a whole number of bytes from 1 to 1073741824' }),
  EGRESS_HOSTS: Type.String({ default: '', description: 'Hosts that tools may call through call.fetch, separated by commas (api.example.com, *.example.com, localhost:9000); without a port any port matches; none by default' }),
  EGRESS_MAX_RESPONSE_BYTES: bytes(1, 1_073_741_824, 1_048_576, 'Longest response body that call.fetch takes, after decompression'),
  BODY_LIMIT_BYTES: bytes(1_024, 16_777_216, 262_144, 'Longest request body'),
  SHED_EVENT_LOOP_MS: milliseconds(0, 5_000, 250, 'Mean delay of the event loop above which requests are refused with 503; 0 = never'),
  SHED_HEAP_PERCENT: Type.Integer({ minimum: 0, maximum: 100, default: 90, description: 'Part of the heap limit (node --max-old-space-size) above which requests are refused with 503; 0 = never', errorMessage: 'must be a whole number from 0 to 100' }),
  SHED_RSS_BYTES: Type.Optional(Type.Integer({ minimum: 0, 'x-default': '(90 % of the container\'s memory limit, if it has one)', description: 'Resident memory above which requests are refused with 503; 0 = never', errorMessage: 'must be a whole number of bytes, or 0' })),
  ALLOWLIST_PATH: Type.String({ default: 'config/allowlist.yaml', description: 'File that says which tools may be called, and by whom how often' }),
  RATE_LIMIT_PER_MINUTE: count(0, 1_000_000, 600, 'Calls of one tool by one principal, a token bucket of that size; 0: no limit'),
  ATTEMPT_LIMIT_PER_MINUTE: count(0, 1_000_000, 3_000, 'Messages of one principal, refused ones too; 0: no limit'),
  CALL_CONCURRENCY: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000, 'x-default': '(DB_POOL_MAX, at least 16)', description: 'Tool calls that run at the same time; others wait their turn. One principal never has more than three quarters of them', errorMessage: 'must be a whole number from 1 to 10000' })),
  CALL_CONCURRENCY_PER_PRINCIPAL: count(1, 10_000, 16, 'Calls of one principal that run at the same time'),
  CALL_QUEUE: count(0, 100_000, 1_024, 'Tool calls that wait for their turn'),
  CALL_QUEUE_PER_PRINCIPAL: count(0, 100_000, 512, 'Calls of one principal that wait for their turn; one request more is answered 429'),
  CALL_QUEUE_TIMEOUT_MS: milliseconds(1, 600_000, 5_000, 'Longest wait of a call for its turn'),
  LIMITS_STORE: Type.Enum(['memory', 'postgres'], { default: 'memory', description: 'memory: each replica counts for itself; postgres: rates hold across replicas', errorMessage: 'must be memory or postgres' }),
  OTEL_ENABLED: Type.Optional(Type.Boolean({ 'x-default': '(true in production; unset in development: silent)', description: 'Where telemetry goes: true, to an OpenTelemetry collector (OTLP); false, traces and metrics to the console', errorMessage: 'must be true or false' })),
  OTEL_SDK_DISABLED: Type.Boolean({ default: false, description: 'true: no telemetry at all, whatever else is set', errorMessage: 'must be true or false' }),
  OTEL_EXPORTER_OTLP_ENDPOINT: Type.Optional(Type.String({ pattern: '^https?://[^\\s]+$', 'x-default': '(http://localhost:4317)', description: 'Collector to send traces, metrics and logs to', errorMessage: 'must be the URL of a collector, such as http://localhost:4317' })),
  OTEL_EXPORTER_OTLP_PROTOCOL: Type.Optional(Type.Enum(['grpc', 'http/protobuf', 'http/json'], { 'x-default': '(grpc; http/protobuf when the endpoint has a path or port 4318)', description: 'How the collector is spoken to', errorMessage: 'must be grpc, http/protobuf or http/json' })),
  OTEL_EXPORTER_OTLP_HEADERS: Type.Optional(Type.String({ ...secret, description: 'Header fields for the collector, name=value separated by commas, such as a token' })),
  OTEL_TRACES_EXPORTER: exporters(['otlp', 'console'], 'Where traces go, whatever OTEL_ENABLED says'),
  OTEL_METRICS_EXPORTER: exporters(['otlp', 'console', 'prometheus'], 'Where metrics go, whatever OTEL_ENABLED says; prometheus: GET /metrics on a port of its own'),
  OTEL_LOGS_EXPORTER: exporters(['otlp', 'console'], 'Where log lines go besides stdout, whatever OTEL_ENABLED says'),
  OTEL_EXPORTER_PROMETHEUS_HOST: Type.Optional(Type.String({ 'x-default': '(HOST)', description: 'Address of GET /metrics', pattern: '^[0-9A-Za-z.:-]+$', errorMessage: 'must be an IP address or a host name' })),
  OTEL_EXPORTER_PROMETHEUS_PORT: count(1, 65535, 9464, 'Port of GET /metrics'),
  OTEL_METRIC_EXPORT_INTERVAL: milliseconds(100, 3_600_000, 30_000, 'Time between two exports of metrics'),
  OTEL_TRACES_SAMPLER: Type.Enum(['always_on', 'always_off', 'traceidratio', 'parentbased_always_on', 'parentbased_always_off', 'parentbased_traceidratio'], { default: 'parentbased_always_on', description: 'Which traces are recorded; a call whose caller has decided follows the caller where the name begins with parentbased', errorMessage: 'must be always_on, always_off, traceidratio or one of these behind parentbased_' }),
  OTEL_TRACES_SAMPLER_ARG: Type.Optional(Type.Number({ minimum: 0, maximum: 1, description: 'Part of the traces that a ratio sampler records', errorMessage: 'must be a number from 0 to 1' })),
  OTEL_LOG_LEVEL: Type.Optional(Type.Enum(['none', 'error', 'warn', 'info', 'debug', 'verbose', 'all'], { description: 'What the OpenTelemetry SDK tells of itself on the console. Unset: the log says once that telemetry can\'t be sent', errorMessage: 'must be one of none, error, warn, info, debug, verbose, all' })),
  OTEL_SERVICE_NAME: Type.Optional(Type.String({ 'x-default': '(SERVICE_NAME)', description: 'Name of the server in telemetry' })),
  OTEL_RESOURCE_ATTRIBUTES: Type.Optional(Type.String({ description: 'More about where the server runs, key=value separated by commas, such as k8s.namespace.name=mcp-system' })),
  SHUTDOWN_DELAY_MS: Type.Optional(Type.Integer({ minimum: 0, maximum: 25_000, 'x-default': '(5000 in production, 0 in development)', description: 'Time after SIGTERM in which /readyz says 503 and requests are still answered, so that load balancers notice. 0 where something else waits before the signal, such as a preStop hook. It is part of SHUTDOWN_GRACE_MS', errorMessage: 'must be a whole number of milliseconds from 0 to 25000' })),
  SHUTDOWN_GRACE_MS: milliseconds(100, 600_000, 25_000, 'Longest time from SIGTERM to the end of the process; calls in flight get four fifths of it')
})

export type EnvName = keyof Static<typeof envSchema>
export type Env = Static<typeof envSchema>

export const variables = Object.entries(envSchema.properties) as Array<[EnvName, TSchema & { type?: string, enum?: string[], errorMessage?: string, 'x-secret'?: boolean }]>

/** Settings of parts that are still to come. One that is set refuses to boot, so nobody believes that it works. */
export const reserved = ['KILL_SWITCH', 'KILL_SWITCH_FILE', 'AUDIT_MODE', 'AUDIT_SIGNING_KEY', 'REDACTION_PATH', 'ADMIN_TOKEN'] as const
