import { mkdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import t, { type Test } from 'tap'
import { parse } from 'yaml'
import { variables } from '../../config/env.ts'
import { loadConfig, type Config } from '../../config/load.ts'
import { secretsCommand } from '../../src/cli/secrets.ts'
import { folderWith } from '../helpers/folder.ts'

interface Service { image?: string, build?: unknown, command?: string[], environment?: Record<string, string>, env_file?: Array<{ path: string, required: boolean }>, volumes?: string[], user?: string, group_add?: string[], mem_limit: string, restart: string, stop_grace_period?: string, depends_on?: Record<string, unknown>, profiles?: string[], deploy?: { replicas: number }, healthcheck?: { test: string[] } }

const { services } = parse(readFileSync('compose.yaml', 'utf8'), { merge: true }) as { services: Record<string, Service> }
const service = (name: string): Service => services[name] as Service
const servers = ['server', 'replica', 'pooled']
const steps = ['secrets', 'migrate', 'seed']
const ownUid = '65532'
const known = new Set(variables.flatMap(([name]) => [name, `${name}_FILE`]))

/** The variables with which a service runs, its secrets in a folder of this test. */
function environmentOf (name: string, secrets: string, dotEnv: Record<string, string> = {}): Record<string, string> {
  const { env_file: files, environment = {} } = service(name)
  const merged = { ...files === undefined ? {} : dotEnv, ...environment }
  return Object.fromEntries(Object.entries(merged).map(([variable, value]) => [variable, value.replace(/^\/secrets\//, `${secrets}/`)]))
}

/** What the service `secrets` leaves in its volume. */
async function madeSecrets (t: Test): Promise<string> {
  const dir = join(folderWith(t), 'secrets')
  mkdirSync(dir)
  const log = t.capture(console, 'log', () => {})
  await secretsCommand((service('secrets').command as string[]).slice(1).map((word) => word === '/secrets' ? dir : word))
  log.restore()
  return dir
}

t.test('every variable of a service of ours exists', async (t) => {
  const ours = Object.entries(services).filter(([, { image }]) => image === 'portcullis:local')
  t.same(ours.map(([name]) => name).sort(), [...servers, ...steps].sort())
  for (const [name, { environment = {} }] of ours) t.same(Object.keys(environment).filter((variable) => !known.has(variable)), [], name)
  t.notOk(known.has('DATABASE_URI'), 'a name that nobody reads would be noticed')
})

t.test('the server boots with them, in production, with the secrets that are made before it', async (t) => {
  const dir = await madeSecrets(t)
  const configs = Object.fromEntries(servers.map((name) => [name, loadConfig(environmentOf(name, dir)).config])) as Record<string, Config>
  for (const name of servers) t.match(configs[name], { PORTCULLIS_ENV: 'production', HOST: '0.0.0.0', PORT: 8000, AUTH_MODE: 'api-key', ALLOWED_HOSTS: /localhost/ }, name)
  t.match(configs.server?.DATABASE_URL, /@postgres:5432\/portcullis$/)
  t.match([configs.pooled?.DATABASE_URL, configs.pooled?.DATABASE_DIRECT_URL], [/@pgbouncer:6432\/portcullis$/, configs.server?.DATABASE_URL as string])
  t.equal(configs.replica?.LIMITS_STORE, 'postgres', 'rates hold across replicas')
  for (const name of ['migrate', 'seed']) t.match(loadConfig(environmentOf(name, dir), () => []).config.MIGRATION_DATABASE_URL, /portcullis_owner/, name)
  t.throws(() => loadConfig({ ...environmentOf('server', dir), PORTCULLIS_SECRET_FILE: '' }), /PORTCULLIS_SECRET is required/, 'one that lacks would be noticed')
})

t.test('a .env for development, or the example as it is, does not get in the way; what else it says counts', async (t) => {
  const dir = await madeSecrets(t)
  for (const name of servers) t.same(service(name).env_file, [{ path: '.env', required: false }], name)
  t.same(loadConfig(environmentOf('server', dir, parseEnv(readFileSync('.env.example', 'utf8')) as Record<string, string>)), loadConfig(environmentOf('server', dir)))
  const dotEnv = { PORTCULLIS_ENV: 'development', HOST: '127.0.0.1', PORT: '9000', DATABASE_URL: 'postgresql://me@localhost/mine', API_KEY: 'q7Wm2vX9pL4zR8tB6nC3', PORTCULLIS_SECRET: 'q7Wm2vX9pL4zR8tB6nC3-q7Wm2vX9pL4zR8tB6nC3', LOG_LEVEL: 'debug' }
  const { config } = loadConfig(environmentOf('server', dir, dotEnv))
  t.match(config, { PORTCULLIS_ENV: 'production', PORT: 8000, LOG_LEVEL: 'debug', API_KEY: /^pc_/ })
})

t.test('access tokens beside the key, and hosts to call, are settings of .env', async (t) => {
  const dir = await madeSecrets(t)
  const dotEnv = { AUTH_MODE: 'api-key,oauth', OAUTH_ISSUER: 'https://issuer.example.com', OAUTH_RESOURCE: 'http://localhost:8000/mcp', EGRESS_HOSTS: 'api.example.com' }
  for (const name of servers) t.match(loadConfig(environmentOf(name, dir, dotEnv)).config, { AUTH_MODE: 'api-key,oauth', API_KEY: /^pc_/ }, name)
})

t.test('each secret that a service names is made, and readable by the user that it runs as', async (t) => {
  const dir = await madeSecrets(t)
  for (const [name, { user = ownUid, group_add: groups = [], environment = {}, volumes = [] }] of Object.entries(services)) {
    const [uid = '', gid = ''] = user.split(':')
    const texts = [...Object.values(environment), ...volumes.filter((volume) => volume.startsWith('./compose/')).map((volume) => readFileSync(volume.split(':')[0] as string, 'utf8'))]
    const named = texts.flatMap((text) => [...text.matchAll(/(?:\/secrets|\$SECRETS)\/(\w+)/g)].map(([, secret]) => secret as string))
    if (named.length > 0) t.ok(volumes.some((volume) => /^secrets:\/secrets:ro$/.test(volume)), `${name} has the volume`)
    for (const secret of named) {
      const { mode } = statSync(join(dir, secret))
      t.ok(uid === ownUid || ((gid === ownUid || groups.includes(ownUid)) && (mode & 0o040) !== 0), `${name} reads ${secret}`)
    }
  }
  t.equal(statSync(join(dir, 'API_KEY')).mode & 0o077, 0, 'the API key is for the server alone')
})

t.test('secrets, then the database, then its tables and records, then the server', async (t) => {
  const needs = (name: string): string[] => Object.keys(service(name).depends_on ?? {})
  t.same([needs('postgres'), needs('migrate'), needs('seed'), needs('server')], [['secrets'], ['postgres'], ['migrate'], ['migrate', 'seed']])
  for (const name of steps) t.equal(service(name).restart, 'no', `${name} runs once`)
  for (const name of servers) {
    t.same(service(name).healthcheck?.test, ['CMD', '/nodejs/bin/node', 'dist/src/healthcheck.js'], name)
    t.ok(Number.parseInt(service(name).stop_grace_period as string) * 1000 > loadConfig({}).config.SHUTDOWN_GRACE_MS, `${name} has the time that it takes to stop`)
  }
})

t.test('all profiles together fit into the connections of PostgreSQL', async (t) => {
  const dir = await madeSecrets(t)
  const [, behindPooler] = /default_pool_size = (\d+)/.exec(readFileSync('compose/pgbouncer.ini', 'utf8')) ?? []
  const own = (name: string): number => loadConfig(environmentOf(name, dir)).config.DB_POOL_MAX
  const beside = 4
  const all = own('server') + beside + (service('replica').deploy?.replicas ?? 0) * (own('replica') + beside) + Number(behindPooler) + beside
  t.ok(all <= 97, `${all}; three of 100 are kept for administrators`)
  t.equal(service('replica').deploy?.replicas, 3)
  t.match(readFileSync('compose/haproxy.cfg', 'utf8'), /server-template replica 3 replica:8000 check/)
})

t.test('what people and CI are told to run names profiles, services and subcommands that exist', async (t) => {
  const profiles = new Set(Object.values(services).flatMap(({ profiles = [] }) => profiles))
  const wrong = (text: string): string[] => [...text.matchAll(/docker compose ([^`\n|]*)/g)].flatMap(([, line = '']) => [
    ...[...line.matchAll(/--profile '?([\w*]+)/g)].map(([, name]) => name as string).filter((name) => name !== '*' && !profiles.has(name)),
    ...[/^(?:exec|run|logs)(?: -\S+)* (\w+)/.exec(line)?.[1] ?? 'server'].filter((name) => services[name] === undefined)
  ])
  for (const path of ['README.md', 'docs/deploy.md', '.github/workflows/ci.yml']) {
    t.match(readFileSync(path, 'utf8'), /docker compose/, path)
    t.same(wrong(readFileSync(path, 'utf8')), [], path)
  }
  t.same(wrong('docker compose --profile everything up\ndocker compose exec -T database sh'), ['everything', 'database'])
})
