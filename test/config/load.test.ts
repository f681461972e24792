import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { loadConfig } from '../../config/load.ts'
import type { Environment } from '../../config/variables.ts'

const key = 'q7Wm2vX9pL4zR8tB6nC3'
const secret = `${key}-${key}`
const production: Environment = { PORTCULLIS_ENV: 'production', HOST: '0.0.0.0', ALLOWED_HOSTS: 'mcp.example.com', DATABASE_URL: 'postgresql://u:p@db/x', API_KEY: key, PORTCULLIS_SECRET: secret }
const oauth: Environment = { AUTH_MODE: 'oauth', OAUTH_ISSUER: 'https://auth.example.com/', OAUTH_RESOURCE: 'https://mcp.example.com/mcp' }
const without = (name: string): Environment => ({ ...production, [name]: undefined })

function faultsOf (environment: Environment): string {
  try {
    loadConfig(environment)
    return ''
  } catch (error) {
    return (error as Error).message
  }
}

const bad: Array<[environment: Environment, fault: RegExp]> = [
  [{ DATABASE_URL: 'mysql://localhost/x' }, /DATABASE_URL must start with postgres/],
  [{ DATABASE_URL: 'localhost:5432/x' }, /DATABASE_URL must start with/],
  [{ DATABASE_URL: 'http://postgres://x' }, /DATABASE_URL must start with/],
  [{ DATABASE_URL: 'postgresql://u:p#ss@host/x' }, /DATABASE_URL can't be read/],
  [{ DATABASE_URL: 'postgresql://u:p/ss@host/x' }, /DATABASE_URL can't be read/],
  [{ DATABASE_URL: 'postgresql://u:100%@host/x' }, /DATABASE_URL can't be read/],
  [{ DATABASE_URL: 'postgresql://u:p@host:port/x' }, /DATABASE_URL can't be read/],
  [{ MIGRATION_DATABASE_URL: 'sqlite://x' }, /MIGRATION_DATABASE_URL must start with/],
  [{ DATABASE_URL: 'postgres://u:12#34@h/d' }, /DATABASE_URL can't be read/],
  [{ DATABASE_URL: 'postgres://u:12/34@h/d' }, /DATABASE_URL can't be read/],
  [{ DATABASE_URL: 'postgres://u:p@h/d%ff' }, /DATABASE_URL can't be read/],
  [{ PORT: 'Infinity' }, /PORT must be/],
  [{ CALL_TIMEOUT_MS: 'Infinity' }, /CALL_TIMEOUT_MS must be/],
  [{ DB_POOL_MAX: '-Infinity' }, /DB_POOL_MAX must be/],
  [{ ALLOWED_HOSTS: ' , ,' }, /ALLOWED_HOSTS names no host/],
  [{ ALLOWED_HOSTS: 'name:99999' }, /ALLOWED_HOSTS holds/],
  [{ ALLOWED_HOSTS: '[::::]' }, /ALLOWED_HOSTS holds/],
  [{ ALLOWED_ORIGINS: 'https://*.example.com' }, /ALLOWED_ORIGINS holds/],
  [{ ALLOWED_ORIGINS: 'ftp://example.com' }, /ALLOWED_ORIGINS holds/],
  [{ AUDIT_SIGNING_KEY_FILE: '/x' }, /AUDIT_SIGNING_KEY_FILE is set, but/],
  [{ ...production, API_KEY: undefined, API_KEY_FILE: '/no/such/file' }, /1 setting is wrong/],
  [{ DB_POOL_MIN: '30', DB_POOL_MAX: '20' }, /DB_POOL_MIN \(30\) must not exceed DB_POOL_MAX \(20\)/],
  [{ DB_POOL_MIN: '21' }, /DB_POOL_MIN \(21\) must not exceed DB_POOL_MAX \(20\)/],
  [{ DB_POOL_MAX: '0' }, /DB_POOL_MAX must be a whole number from 1 to 1000/],
  [{ DB_POOL_MAX: '1001' }, /DB_POOL_MAX must be/],
  [{ DB_POOL_MIN: '-1' }, /DB_POOL_MIN must be/],
  [{ DB_POOL_MIN: 'five' }, /DB_POOL_MIN must be/],
  [{ DB_POOL_MAX: '2.5' }, /DB_POOL_MAX must be/],
  [{ PORT: '0' }, /PORT must be a whole number from 1 to 65535/],
  [{ PORT: '65536' }, /PORT must be/],
  [{ PORT: '8000.5' }, /PORT must be/],
  [{ PORT: 'tcp://10.0.0.1:8000' }, /PORT must be/],
  [{ PORT: '-8000' }, /PORT must be/],
  [{ LOG_LEVEL: 'loud' }, /LOG_LEVEL must be one of trace/],
  [{ LOG_LEVEL: '3' }, /LOG_LEVEL must be/],
  [{ CALL_TIMEOUT_MS: '0' }, /CALL_TIMEOUT_MS must be a whole number of milliseconds/],
  [{ CALL_TIMEOUT_MS: '30s' }, /CALL_TIMEOUT_MS must be/],
  [{ CALL_TIMEOUT_MS: '99999999' }, /CALL_TIMEOUT_MS must be/],
  [{ DB_ACQUIRE_TIMEOUT_MS: '0' }, /DB_ACQUIRE_TIMEOUT_MS must be/],
  [{ SHUTDOWN_GRACE_MS: '5' }, /SHUTDOWN_GRACE_MS must be/],
  [{ SHUTDOWN_DELAY_MS: '25001' }, /SHUTDOWN_DELAY_MS must be a whole number of milliseconds from 0 to 25000/],
  [{ SHUTDOWN_DELAY_MS: '3000', SHUTDOWN_GRACE_MS: '5000' }, /SHUTDOWN_DELAY_MS \(3000\) must be at most half of SHUTDOWN_GRACE_MS \(5000\)/],
  [{ PORTCULLIS_ENV: 'staging' }, /PORTCULLIS_ENV must be development or production/],
  [{ HOST: '0.0.0.0' }, /HOST is not a loopback address.*PORTCULLIS_ENV=production/],
  [{ HOST: '192.168.1.5' }, /HOST is not a loopback/],
  [{ HOST: '::' }, /HOST is not a loopback/],
  [{ HOST: '127.0.0.1.example.com' }, /HOST is not a loopback/],
  [{ HOST: 'my host' }, /HOST must be/],
  [{ HOST: '0.0.0.0' }, /ALLOWED_HOSTS is required/],
  [{ API_KEY: 'x' }, /API_KEY must be at least 16/],
  [{ API_KEY: 'fifteen-chars-x' }, /API_KEY must be at least 16/],
  [{ API_KEY: 'change-me-in-production' }, /API_KEY is a placeholder/],
  [{ API_KEY: 'CHANGE_ME_CHANGE_ME_1' }, /API_KEY is a placeholder/],
  [{ API_KEY: 'your-api-key-goes-here' }, /API_KEY is a placeholder/],
  [{ API_KEY: 'placeholder-placeholder' }, /API_KEY is a placeholder/],
  [{ API_KEY: 'aaaaaaaaaaaaaaaaaaaa' }, /API_KEY is a placeholder/],
  [{ API_KEY: 'abcdabcdabcdabcdabcd' }, /API_KEY is a placeholder/],
  [{ API_KEY: 'password123456789012' }, /API_KEY is a placeholder/],
  [{ API_KEY: 'a key with white space' }, /API_KEY must be/],
  [{ API_KEY: 'schlüssel-0123456789' }, /API_KEY must be/],
  [{ API_KEY_ENABLED: 'maybe', API_KEY: key }, /API_KEY_ENABLED must be true or false/],
  [{ API_KEY_ENABLED: 'true' }, /API_KEY or API_KEYS_FILE is required/],
  [{ AUTH_MODE: 'api-key' }, /API_KEY or API_KEYS_FILE is required/],
  [{ AUTH_MODE: 'oauth' }, /2 settings are wrong:\n {2}- OAUTH_ISSUER is required.*\n {2}- OAUTH_RESOURCE is required/],
  [{ AUTH_MODE: 'basic' }, /AUTH_MODE must be api-key, oauth, both separated by a comma, or none alone/],
  [{ ...oauth, AUTH_MODE: 'none,oauth' }, /AUTH_MODE must be/],
  [{ ...oauth, AUTH_MODE: 'api-key oauth', API_KEY: key }, /AUTH_MODE must be/],
  [{ ...oauth, AUTH_MODE: 'oauth,api-key' }, /API_KEY or API_KEYS_FILE is required/],
  [{ ...oauth, AUTH_MODE: undefined }, /OAUTH_ISSUER, OAUTH_RESOURCE are set, but AUTH_MODE has no oauth; add it, or unset them/],
  [{ AUTH_MODE: 'api-key', API_KEY: key, OAUTH_TENANT_CLAIM: 'org' }, /OAUTH_TENANT_CLAIM is set, but AUTH_MODE has no oauth; add it, or unset it/],
  [{ AUTH_MODE: 'none', OAUTH_ROLES_CLAIMS: 'scope' }, /OAUTH_ROLES_CLAIMS is set, but/],
  [{ ...oauth, API_KEY: key }, /API_KEY and API_KEYS_FILE open nothing when AUTH_MODE is oauth; unset them, or set AUTH_MODE=api-key,oauth/],
  [{ ...oauth, API_KEY_ENABLED: 'true' }, /AUTH_MODE=oauth contradicts API_KEY_ENABLED=true/],
  [{ ...oauth, AUTH_MODE: 'api-key,oauth', API_KEY: key, API_KEY_ENABLED: 'false' }, /AUTH_MODE=api-key,oauth contradicts API_KEY_ENABLED=false/],
  [{ ...oauth, AUTH_MODE: 'api-key,oauth', API_KEY: 'q7Wm2vX9.pL4zR8tB6.nC3' }, /API_KEY looks like an access token/],
  [{ ...oauth, OAUTH_ISSUER: 'http://auth.example.com' }, /OAUTH_ISSUER must be an https URL/],
  [{ ...oauth, OAUTH_ISSUER: 'http://127.0.0.1.example.com' }, /OAUTH_ISSUER must be an https URL/],
  [{ ...oauth, OAUTH_ISSUER: 'auth.example.com' }, /OAUTH_ISSUER must be the URL/],
  [{ ...oauth, OAUTH_ISSUER: 'https://auth.example.com?tenant=1' }, /OAUTH_ISSUER must be the URL/],
  [{ ...oauth, OAUTH_ISSUER: 'https://u:p@auth.example.com' }, /OAUTH_ISSUER must be the URL/],
  [{ ...oauth, OAUTH_RESOURCE: 'http://mcp.example.com/mcp' }, /OAUTH_RESOURCE must be an https URL/],
  [{ ...oauth, OAUTH_RESOURCE: 'https://mcp.example.com/mcp/' }, /OAUTH_RESOURCE must be the address of \/mcp.*without trailing slash/],
  [{ ...oauth, OAUTH_RESOURCE: 'https://mcp.example.com/' }, /OAUTH_RESOURCE must be the address/],
  [{ ...oauth, OAUTH_RESOURCE: 'https://mcp.example.com/mcp#x' }, /OAUTH_RESOURCE must be the address/],
  [{ ...oauth, OAUTH_RESOURCE: 'https://mcp.example.com/:id' }, /OAUTH_RESOURCE must be the address/],
  [{ ...oauth, OAUTH_RESOURCE: 'https://MCP.example.com/mcp' }, /OAUTH_RESOURCE must be written the short way/],
  [{ ...oauth, OAUTH_RESOURCE: 'https://mcp.example.com:443/mcp' }, /OAUTH_RESOURCE must be written the short way/],
  [{ ...oauth, OAUTH_RESOURCE: 'https://mcp.example.com/a/../mcp' }, /OAUTH_RESOURCE must be written the short way/],
  [{ ...oauth, OAUTH_JWKS_URL: 'http://auth.example.com/jwks' }, /OAUTH_JWKS_URL must be an https URL/],
  [{ ...oauth, OAUTH_JWKS_URL: '/jwks' }, /OAUTH_JWKS_URL must be a URL/],
  [{ ...oauth, OAUTH_REQUIRED_SCOPES: 'say "please"' }, /OAUTH_REQUIRED_SCOPES must be scopes separated by/],
  [{ ...oauth, OAUTH_OPTIONAL_SCOPES: 'a\\b' }, /OAUTH_OPTIONAL_SCOPES must be scopes separated by/],
  [{ ...oauth, OAUTH_ROLES_CLAIMS: ' , ' }, /OAUTH_ROLES_CLAIMS must name at least one claim/],
  [{ ...oauth, OAUTH_TENANT_CLAIM: 'org, tenant' }, /OAUTH_TENANT_CLAIM must be the name of one claim/],
  [{ ...production, ...oauth, API_KEY: undefined, OAUTH_RESOURCE: undefined }, /OAUTH_RESOURCE is required when AUTH_MODE has oauth/],
  [{ AUTH_MODE: 'api-key', API_KEY_ENABLED: 'false', API_KEY: key }, /contradicts/],
  [{ AUTH_MODE: 'none', API_KEY_ENABLED: 'true', API_KEY: key }, /contradicts/],
  [{ PORTCULLIS_SECRET: 'short' }, /PORTCULLIS_SECRET must be at least 32/],
  [{ PORTCULLIS_SECRET: 'change-me-change-me-change-me-change-me' }, /PORTCULLIS_SECRET is a placeholder/],
  [{ ALLOWED_HOSTS: 'http://example.com' }, /ALLOWED_HOSTS holds "http:\/\/example.com"/],
  [{ ALLOWED_HOSTS: 'good.example, *' }, /ALLOWED_HOSTS holds "\*"/],
  [{ ALLOWED_ORIGINS: 'example.com' }, /ALLOWED_ORIGINS holds "example.com"/],
  [{ ALLOWED_ORIGINS: 'https://example.com/path' }, /ALLOWED_ORIGINS holds/],
  [{ ALLOWED_ORIGINS: 'null' }, /ALLOWED_ORIGINS holds/],
  ...['true', 'TRUE', 'all', '*', 'yes', 'on'].map((value): [Environment, RegExp] => [{ TRUST_PROXY: value }, /TRUST_PROXY=.* would let every caller choose its own address; name the addresses of your proxies/]),
  ...['0', '1', '3'].map((value): [Environment, RegExp] => [{ TRUST_PROXY: value }, /TRUST_PROXY=\d is a number of hops.*name the addresses of your proxies/]),
  [{ TRUST_PROXY: ', ,' }, /TRUST_PROXY names no proxy; unset it/],
  [{ TRUST_PROXY: 'false' }, /TRUST_PROXY holds "false", which is not an address, a range/],
  [{ TRUST_PROXY: '10.0.0.0/8, proxy.example.com' }, /TRUST_PROXY holds "proxy.example.com"/],
  [{ TRUST_PROXY: '10.0.0.0/33' }, /TRUST_PROXY holds/],
  [{ TRUST_PROXY: '0.0.0.0/0' }, /TRUST_PROXY holds/],
  [{ TRUST_PROXY: '::/0' }, /TRUST_PROXY holds/],
  [{ BODY_LIMIT_BYTES: '1023' }, /BODY_LIMIT_BYTES must be a whole number of bytes from 1024 to 16777216/],
  [{ BODY_LIMIT_BYTES: '16777217' }, /BODY_LIMIT_BYTES must be/],
  [{ BODY_LIMIT_BYTES: '1mb' }, /BODY_LIMIT_BYTES must be/],
  [{ SHED_EVENT_LOOP_MS: '-1' }, /SHED_EVENT_LOOP_MS must be a whole number of milliseconds/],
  [{ SHED_HEAP_PERCENT: '101' }, /SHED_HEAP_PERCENT must be a whole number from 0 to 100/],
  [{ SHED_RSS_BYTES: '512Mi' }, /SHED_RSS_BYTES must be a whole number of bytes, or 0/],
  [{ KILL_SWITCH: 'on' }, /KILL_SWITCH is set, but/],
  [{ AUDIT_MODE: 'required' }, /AUDIT_MODE is set, but/],
  [{ REDACTION_PATH: 'config/redaction.yaml' }, /REDACTION_PATH is set, but/],
  [{ KILL_SWITCH_FILE: '/run/kill' }, /KILL_SWITCH_FILE is set, but/],
  [{ API_KEY: key, API_KEY_FILE: '/x' }, /API_KEY and API_KEY_FILE are both set/],
  [{ API_KEY_FILE: '/no/such/file' }, /API_KEY_FILE names a file that can't be read \(ENOENT\)/],
  [{ SERVICE_NAME: 'x'.repeat(101) }, /SERVICE_NAME must be/],
  [without('DATABASE_URL'), /DATABASE_URL is required in production/],
  [without('API_KEY'), /or API_KEYS_FILE is required in production/],
  [without('PORTCULLIS_SECRET'), /PORTCULLIS_SECRET is required in production/],
  [without('ALLOWED_HOSTS'), /ALLOWED_HOSTS is required/],
  [{ ...without('ALLOWED_HOSTS'), HOST: '127.0.0.1' }, /ALLOWED_HOSTS is required/],
  [{ ...production, AUTH_MODE: 'none' }, /authentication can't be off in production/],
  [{ ...production, API_KEY_ENABLED: 'no' }, /authentication can't be off in production/],
  [{ ...production, API_KEY: 'change-me-in-production', LOG_LEVEL: 'DEBUG' }, /API_KEY is a placeholder/]
]

t.test(`${bad.length} bad configurations refuse to boot and say why`, async (t) => {
  t.ok(bad.length >= 50)
  for (const [environment, fault] of bad) t.match(faultsOf(environment), fault, JSON.stringify(environment))
})

t.test('everything that is wrong is listed in one go, each once', async (t) => {
  const message = faultsOf({ DATABASE_URL: 'mysql://x', PORT: 'x', DB_POOL_MIN: '9', DB_POOL_MAX: '3', API_KEY: 'x', LOG_LEVEL: 'loud', HOST: '0.0.0.0', KILL_SWITCH: 'on' })
  t.match(message, /8 settings are|9 settings are/)
  for (const name of ['DATABASE_URL', 'PORT', 'DB_POOL_MIN', 'API_KEY', 'LOG_LEVEL', 'HOST', 'ALLOWED_HOSTS', 'KILL_SWITCH']) t.equal(message.match(new RegExp(`- ${name} `, 'g'))?.length, 1, name)
})

t.test('no message repeats a secret', async (t) => {
  const leaky = 'hunter2'
  for (const environment of [{ API_KEY: leaky }, { API_KEY: `${leaky} ${leaky} ${leaky}` }, { PORTCULLIS_SECRET: leaky }, { DATABASE_URL: `mysql://u:${leaky}@h/x` }, { DATABASE_URL: `postgres://u:${leaky}#@h/x` }]) {
    const message = faultsOf(environment)
    t.not(message, '')
    t.equal(message.includes(leaky), false, message)
  }
})

t.test('nothing set gives a development server on loopback with a generated secret', async (t) => {
  const { config, warnings } = loadConfig({})
  t.match(config, { PORTCULLIS_ENV: 'development', HOST: '127.0.0.1', PORT: 8000, AUTH_MODE: 'none', LOG_LEVEL: 'info', DB_POOL_MIN: 5, DB_POOL_MAX: 20, DB_ACQUIRE_TIMEOUT_MS: 2000, CALL_TIMEOUT_MS: 30_000, SHUTDOWN_DELAY_MS: 0, SHUTDOWN_GRACE_MS: 25_000, BODY_LIMIT_BYTES: 262_144, TRUST_PROXY: undefined, SHED_EVENT_LOOP_MS: 250, SHED_HEAP_PERCENT: 90, SHED_RSS_BYTES: undefined, ALLOWLIST_PATH: 'config/allowlist.yaml' })
  t.match(config.PORTCULLIS_SECRET, /^[0-9a-f]{64}$/)
  t.not(config.PORTCULLIS_SECRET, loadConfig({}).config.PORTCULLIS_SECRET)
  t.same(warnings, [])
})

t.test('production with all it demands boots', async (t) => {
  t.match(loadConfig(production).config, { AUTH_MODE: 'api-key', HOST: '0.0.0.0', PORTCULLIS_SECRET: secret })
})

t.test('a key switches authentication on, unless it is switched off', async (t) => {
  t.equal(loadConfig({ API_KEY: key }).config.AUTH_MODE, 'api-key')
  t.equal(loadConfig({ API_KEY: key, API_KEY_ENABLED: 'false' }).config.AUTH_MODE, 'none')
  t.equal(loadConfig({ API_KEY: key, AUTH_MODE: 'none' }).config.AUTH_MODE, 'none')
})

t.test('AUTH_MODE is a list in any order, case and spacing', async (t) => {
  const modeOf = (environment: Environment): string => loadConfig(environment).config.AUTH_MODE
  t.equal(modeOf(oauth), 'oauth')
  for (const mode of ['api-key,oauth', 'oauth,api-key', ' OAuth , API-Key ', 'oauth,oauth,api-key']) t.equal(modeOf({ ...oauth, AUTH_MODE: mode, API_KEY: key }), 'api-key,oauth', mode)
  t.equal(modeOf({ AUTH_MODE: 'None' }), 'none')
})

t.test('production with oauth alone needs no key', async (t) => {
  t.equal(loadConfig({ ...without('API_KEY'), ...oauth }).config.AUTH_MODE, 'oauth')
  t.equal(loadConfig({ ...without('API_KEY'), ...oauth, API_KEY_ENABLED: 'false' }).config.AUTH_MODE, 'oauth')
})

t.test('an issuer or resource on this machine may do without https, a resource without a path', async (t) => {
  for (const url of ['http://127.0.0.1:9000', 'http://localhost:9000', 'http://[::1]:9000', 'https://auth.example.com']) {
    t.match(loadConfig({ ...oauth, OAUTH_ISSUER: url, OAUTH_RESOURCE: url, OAUTH_JWKS_URL: `${url}/jwks` }).config, { OAUTH_ISSUER: url, OAUTH_RESOURCE: url }, url)
  }
})

t.test('empty means default, names work in any case, booleans and levels in many spellings', async (t) => {
  t.match(loadConfig({ PORT: '', API_KEY: '', LOG_LEVEL: '', API_KEY_ENABLED: '', DATABASE_URL: '' }).config, { PORT: 8000, AUTH_MODE: 'none' })
  t.match(loadConfig({ port: '9000', Log_Level: 'WARNING', db_pool_max: '30' }).config, { PORT: 9000, LOG_LEVEL: 'warn', DB_POOL_MAX: 30 })
  t.equal(loadConfig({ port: '1', PORT: '2' }).config.PORT, 2)
  for (const [given, level] of [['INFO', 'info'], ['CRITICAL', 'fatal'], ['Debug', 'debug']]) t.equal(loadConfig({ LOG_LEVEL: given }).config.LOG_LEVEL, level)
  for (const off of ['false', 'FALSE', '0', 'no', 'No', 'off', 'OFF']) t.equal(loadConfig({ API_KEY_ENABLED: off }).config.API_KEY_ENABLED, false, off)
  for (const on of ['true', 'True', '1', 'yes', 'YES', 'on']) t.equal(loadConfig({ API_KEY_ENABLED: on, API_KEY: key }).config.API_KEY_ENABLED, true, on)
})

t.test('every secret may come from a file, its trailing newline dropped', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-secrets-'))
  t.teardown(() => { rmSync(folder, { recursive: true }) })
  const file = join(folder, 'secret')
  for (const [name, value] of [['API_KEY', key], ['PORTCULLIS_SECRET', secret], ['DATABASE_URL', 'postgres://u:p@h/x'], ['MIGRATION_DATABASE_URL', 'postgres://m:p@h/x']] as const) {
    writeFileSync(file, `${value}\n`)
    t.equal(loadConfig({ [`${name}_FILE`]: file }).config[name], value)
  }
  writeFileSync(file, '\n')
  t.match(faultsOf({ API_KEY_FILE: file }), /API_KEY_FILE names an empty file/)
})

t.test('a secret with a newline in the environment is trimmed with one warning', async (t) => {
  const { config, warnings } = loadConfig({ API_KEY: `${key}\n` })
  t.equal(config.API_KEY, key)
  t.same(warnings, ['API_KEY has white space around its value, which is ignored'])
})

t.test('database URLs with odd but legal passwords are good', async (t) => {
  for (const password of ['p%23ss', 'p%2Fss', 'a:b', 'p%40ss', '%25', '$pa$$', 'pä']) {
    const url = `postgresql://u:${password}@host:5432/db?sslmode=require`
    t.equal(loadConfig({ DATABASE_URL: url }).config.DATABASE_URL, url, password)
  }
})

t.test('production gives load balancers time, never more than half of the grace', async (t) => {
  t.equal(loadConfig(production).config.SHUTDOWN_DELAY_MS, 5_000)
  t.equal(loadConfig({ ...production, SHUTDOWN_GRACE_MS: '3000' }).config.SHUTDOWN_DELAY_MS, 1_500)
  t.equal(loadConfig({ ...production, SHUTDOWN_DELAY_MS: '0' }).config.SHUTDOWN_DELAY_MS, 0)
})
