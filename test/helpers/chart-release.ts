import { spawn, execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { Ran } from './chart.ts'
import { startKubeApi, type KubeApi } from './kube-api/server.ts'
import { emptyDatabase } from './postgres.ts'

export interface Cluster extends KubeApi {
  /** Runs helm on it, in the namespace mcp-system. */
  helm: (...args: string[]) => Promise<Ran>
}

const program = execFileSync('scripts/tools/helm.sh', ['--where'], { encoding: 'utf8' }).trim()

/** An API stub, with a database in which helm keeps what it knows of releases: its usual place wants protobuf. */
export async function startCluster (t: Test): Promise<Cluster> {
  const api = await startKubeApi(t)
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-cluster-'))
  t.teardown(() => { rmSync(folder, { recursive: true, force: true }) })
  const kubeconfig = join(folder, 'config')
  writeFileSync(kubeconfig, JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'stub',
    clusters: [{ name: 'stub', cluster: { server: api.url } }],
    users: [{ name: 'stub', user: {} }],
    contexts: [{ name: 'stub', context: { cluster: 'stub', user: 'stub' } }]
  }), { mode: 0o600 })
  const env = { PATH: process.env.PATH, HOME: folder, KUBECONFIG: kubeconfig, HELM_DRIVER: 'sql', HELM_DRIVER_SQL_CONNECTION_STRING: `${await emptyDatabase(t)}?sslmode=disable` }

  // The stub lives in this process, so helm must not block it.
  const helm = async (...args: string[]): Promise<Ran> => {
    const child = spawn(program, [...args, '-n', 'mcp-system'], { env, stdio: ['ignore', 'pipe', 'pipe'] })
    let [output, errors] = ['', '']
    child.stdout.setEncoding('utf8').on('data', (text: string) => { output += text })
    child.stderr.setEncoding('utf8').on('data', (text: string) => { errors += text })
    const [code] = await once(child, 'close')
    return { ok: code === 0, output, errors }
  }
  return { ...api, helm }
}
