import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { whyMissing } from './deploy-tools.ts'
import { freePort } from './server-process.ts'

const program = execFileSync('scripts/tools/collector.sh', ['--where'], { encoding: 'utf8' }).trim()

/** Why no collector runs here, or false. */
export const whyNoCollector = whyMissing(existsSync(program), 'the collector is not built; scripts/tools/collector.sh builds it')

/** What a collector says when a file is of yesterday, lacks a variable, or something breaks. */
export const trouble = /deprecated|unset environment|"level":"error"/

type Env = Record<string, string>
const args = (configs: string[]): string[] => configs.map((config) => `--config=${config}`)
const uriOf = (file: string): string => file.includes('/') ? `file:${file}` : `file:collector/${file}`

/** What `validate` says of a file of collector/, or any other by its path, and what is laid over it. */
export function validate (file: string, env: Env = {}, ...overlays: string[]): { ok: boolean, output: string } {
  const { status, stdout, stderr } = spawnSync(program, ['validate', ...args([uriOf(file), ...overlays])], { env, encoding: 'utf8' })
  return { ok: status === 0, output: stdout + stderr }
}

export interface Collector {
  /** host:port of OTLP over gRPC. */
  grpc: string
  /** Address of OTLP over HTTP. */
  http: string
  log: () => string
  /** Asks it to stop; what it has is sent first. */
  stop: () => Promise<void>
}

/** Runs such a file on free ports, with `overlay` laid over it; resolves once it takes data. */
export async function startCollector (t: Test, file: string, env: Env = {}, overlay: Record<string, any> = {}): Promise<Collector> {
  const grpc = `127.0.0.1:${await freePort()}`
  const http = `127.0.0.1:${await freePort()}`
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-collector-'))
  const ports = {
    receivers: { otlp: { protocols: { grpc: { endpoint: grpc }, http: { endpoint: http } } } },
    extensions: { health_check: { endpoint: `127.0.0.1:${await freePort()}` } },
    service: { telemetry: { metrics: { readers: [{ pull: { exporter: { prometheus: { host: '127.0.0.1', port: await freePort() } } } }] } } }
  }
  const configs = [ports, overlay].map((content, index) => {
    writeFileSync(join(folder, `${index}.yaml`), JSON.stringify(content)) // JSON is YAML
    return `file:${join(folder, `${index}.yaml`)}`
  })
  const child = spawn(program, args([uriOf(file), ...configs]), { env, stdio: ['ignore', 'pipe', 'pipe'] })
  let log = ''
  child.stdout.resume()
  child.stderr.setEncoding('utf8').on('data', (text: string) => { log += text })
  const exit = once(child, 'close')
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM')
    await exit
  }
  t.teardown(async () => {
    await stop()
    rmSync(folder, { recursive: true })
  })
  while (!log.includes('Everything is ready')) {
    if (child.exitCode !== null) throw new Error(`the collector ended: ${log}`)
    await Promise.race([once(child.stderr, 'data'), exit])
  }
  return { grpc, http: `http://${http}`, log: () => log, stop }
}
