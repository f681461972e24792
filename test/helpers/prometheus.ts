import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { whyMissing } from './deploy-tools.ts'
import { freePort } from './server-process.ts'

/** Why nothing is asked of Prometheus here, or false. */
export const whyNoPrometheus = whyMissing(['prometheus', 'promtool'].every((program) => spawnSync(program, ['--version']).error === undefined), 'prometheus is not installed; .ci/run installs it')

export interface Run { ok: boolean, output: string }

export function promtool (...args: string[]): Run {
  const { status, stdout, stderr, error } = spawnSync('promtool', args, { encoding: 'utf8' })
  if (error !== undefined) throw error
  return { ok: status === 0, output: stdout + stderr }
}

export interface Series { metric: Record<string, string>, value: [at: number, value: string] }

export interface Prometheus {
  /** The answer of an instant query; throws on an expression that can't be parsed. */
  query: (expr: string) => Promise<Series[]>
  /** The traces that the exemplars of an expression's series lead to. */
  traceIdsOf: (expr: string) => Promise<string[]>
}

/** A Prometheus with that configuration and its data in a folder that goes with the test. */
export async function prometheus (t: Test, config: string): Promise<Prometheus> {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-prometheus-'))
  writeFileSync(join(folder, 'prometheus.yaml'), config)
  const address = `127.0.0.1:${await freePort()}`
  const child = spawn('prometheus', [`--config.file=${join(folder, 'prometheus.yaml')}`, `--storage.tsdb.path=${join(folder, 'data')}`, `--web.listen-address=${address}`, '--enable-feature=exemplar-storage'], { stdio: ['ignore', 'ignore', 'pipe'] })
  let log = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => { log += text })
  const exit = once(child, 'exit')
  t.teardown(async () => {
    child.kill('SIGTERM')
    await exit
    rmSync(folder, { recursive: true, force: true })
  })
  while (!log.includes('Server is ready to receive web requests')) {
    await Promise.race([once(child.stderr, 'data'), exit])
    if (child.exitCode !== null) throw new Error(`prometheus ended:\n${log}`)
  }

  async function ask<Data> (what: string, form: Record<string, string>): Promise<Data> {
    const answer = await (await fetch(`http://${address}/api/v1/${what}`, { method: 'POST', body: new URLSearchParams(form) })).json() as { status: string, error?: string, data: Data }
    if (answer.status !== 'success') throw new Error(`${answer.error}\nin ${form.query}`)
    return answer.data
  }

  return {
    query: async (query) => (await ask<{ result: Series[] }>('query', { query })).result,
    traceIdsOf: async (query) => {
      const found = await ask<Array<{ exemplars: Array<{ labels: Record<string, string> }> }>>('query_exemplars', { query, start: '0', end: String(Date.now() / 1000 + 1) })
      return found.flatMap(({ exemplars }) => exemplars.map(({ labels }) => String(labels.trace_id)))
    }
  }
}
