import { on } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, watch, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { startCollector, type Collector } from './collector.ts'
import { freePort } from './server-process.ts'

export type Attributes = Record<string, string>
export interface Span { name: string, kind: number, traceId: string, attributes: Attributes, resource: Attributes }
export interface LogRecord { text: string, traceId: string, attributes: Attributes, resource: Attributes }

export interface Sink extends Collector {
  spans: () => Span[]
  logs: () => LogRecord[]
  /** All that came, as it was written. */
  everything: () => string
  /** Metrics as Prometheus names them. */
  metrics: () => Promise<string>
  /** Waits until more has come and the condition holds. */
  until: (isThere: () => boolean | Promise<boolean>) => Promise<void>
}

type KeyValues = Array<{ key: string, value: Record<string, unknown> }>
const attributesOf = (list: KeyValues = []): Attributes => Object.fromEntries(list.map(({ key, value }) => [key, String(Object.values(value)[0])]))

/** The far end: collector/otelcol-local.yaml, which writes all to a file, and shows metrics as Prometheus would name them. */
export async function telemetrySink (t: Test): Promise<Sink> {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-sink-'))
  const file = join(folder, 'telemetry.jsonl')
  writeFileSync(file, '')
  t.teardown(() => { rmSync(folder, { recursive: true }) })
  const prometheus = `127.0.0.1:${await freePort()}`
  const collector = await startCollector(t, 'otelcol-local.yaml', { TELEMETRY_FILE: file }, {
    exporters: { prometheus: { endpoint: prometheus } },
    extensions: { zpages: { endpoint: `127.0.0.1:${await freePort()}` } },
    service: { pipelines: { metrics: { exporters: ['prometheus', 'file'] } } } // the file last: when it changes, all is there
  })

  const everything = (): string => readFileSync(file, 'utf8')
  const batches = (): any[] => everything().split('\n').filter((line) => line.endsWith('}')).map((line) => JSON.parse(line))
  const spans = (): Span[] => batches().flatMap(({ resourceSpans = [] }) => resourceSpans).flatMap(({ resource, scopeSpans }) => scopeSpans
    .flatMap(({ spans }: any) => spans)
    .map(({ name, kind, traceId, attributes }: any) => ({ name, kind, traceId, attributes: attributesOf(attributes), resource: attributesOf(resource.attributes) })))
  const logs = (): LogRecord[] => batches().flatMap(({ resourceLogs = [] }) => resourceLogs).flatMap(({ resource, scopeLogs }) => scopeLogs
    .flatMap(({ logRecords }: any) => logRecords)
    .map(({ body, traceId, attributes }: any) => ({ text: String(body?.stringValue), traceId, attributes: attributesOf(attributes), resource: attributesOf(resource.attributes) })))

  return {
    ...collector,
    spans,
    logs,
    everything,
    metrics: async () => await (await fetch(`http://${prometheus}/metrics`)).text(),
    until: async (isThere) => {
      const watcher = watch(folder)
      try {
        const changes = on(watcher, 'change', { signal: AbortSignal.timeout(60_000) })
        while (!await isThere()) await changes.next()
      } finally {
        watcher.close()
      }
    }
  }
}
