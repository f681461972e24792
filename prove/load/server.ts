import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { processEnvironment } from '../../config/load.ts'
import { newKey } from '../../src/api-keys.ts'
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../src/embedded-postgres/index.ts'
import { migrate } from '../../src/migrate.ts'
import type { Kept } from '../../bench/programs/serve.ts'
import { modern, type RpcRequest } from '../../bench/rpc.ts'

export interface Loaded {
  url: string
  keys: string[]
  databaseUrl: string
  postgres: EmbeddedPostgres
  hasEnded: () => boolean
  /** What the server keeps between calls. */
  kept: () => Promise<Kept>
}

/** What stands between the server and PostgreSQL, by its URL. */
export type Between = (databaseUrl: string) => Promise<string>

/** Each program has a cluster of its own: one of them kills it. */
export const clusterName = `load-${basename(process.argv[1] as string, '.js')}`

export const holding = (ms: number): RpcRequest => modern('tools/call', { name: 'hold', arguments: { ms } })

/** Lends a server process of its own with so many keys, each of a tenant of its own, on an embedded PostgreSQL; stops both after the work. */
export async function withServer (callers: number, env: Record<string, string>, work: (loaded: Loaded) => Promise<void>, between: Between = async (url) => url): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-load-'))
  const postgres = await startEmbeddedPostgres({ name: clusterName })
  const made = Array.from({ length: callers }, (_, index) => newKey({ id: `caller-${index}`, roles: ['caller'], tenant: `tenant-${index}` }))
  writeFileSync(join(folder, 'keys'), made.map(({ line }) => line).join('\n'))
  writeFileSync(join(folder, 'allowlist.yaml'), 'roles: { caller: { allow: [hold, whoami] } }\n')
  const ownerUrl = await postgres.database('load')
  await migrate(ownerUrl)
  const databaseUrl = await postgres.server('load', 30_000)
  const telemetry = Object.fromEntries(Object.entries(env).filter(([name]) => name.startsWith('OTEL_')))
  const preload = Object.keys(telemetry).length === 0 ? [] : ['--import', join(import.meta.dirname, '../../src/instrumentation.js')]
  const child = fork(join(import.meta.dirname, 'program.js'), { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], execArgv: ['--expose-gc', ...preload], env: { ...processEnvironment(), ...telemetry } })
  const exit = once(child, 'exit')
  try {
    child.send({ env: { DATABASE_URL: await between(databaseUrl), MIGRATION_DATABASE_URL: ownerUrl, API_KEYS_FILE: join(folder, 'keys'), ALLOWLIST_PATH: join(folder, 'allowlist.yaml'), ...env } })
    const [{ port }] = await Promise.race([once(child, 'message'), exit.then(() => { throw new Error('the server ended') })]) as [{ port: number }]
    const hasEnded = (): boolean => child.exitCode !== null || child.signalCode !== null
    const kept = async (): Promise<Kept> => {
      const answer = once(child, 'message')
      child.send('kept')
      return (await answer)[0]
    }
    await work({ url: `http://127.0.0.1:${port}/mcp`, keys: made.map(({ key }) => key), databaseUrl, postgres, hasEnded, kept })
  } finally {
    if (child.connected) child.disconnect()
    await exit
    await postgres.stop()
    rmSync(folder, { recursive: true })
  }
}
