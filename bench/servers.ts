import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startServer, type ServerProcess } from './server-process.ts'
import { generatedName } from './tools.ts'

export type ServerName = 'bare' | 'fastify-pg' | 'four' | 'many' | 'spent' | 'metered' | 'traced'
/** The server of that name, started when it is first asked for. */
export type Servers = (name: ServerName) => Promise<ServerProcess>

const generatedTools = 146 // with echo, search_records, get_record_detail and get_pool_status 150

/** Lends the baselines and the server, once with 4 tools that may be called and once with 150; stops them after the work. */
export async function withServers<T> ({ databaseUrl, allowlist }: { databaseUrl: string, allowlist: string }, work: (servers: Servers) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-bench-'))
  const sink = await collectorSink()
  const telemetry = { OTEL_EXPORTER_OTLP_ENDPOINT: sink.url, OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf', OTEL_METRICS_EXPORTER: 'otlp' }
  const observed = async (env: Record<string, string>): Promise<ServerProcess> => await startServer('portcullis', { databaseUrl, allowlist, generatedTools: 0, env }, { preload: true, env })
  const start: Record<ServerName, () => Promise<ServerProcess>> = {
    bare: async () => await startServer('bare', {}),
    'fastify-pg': async () => await startServer('fastify-pg', { databaseUrl }),
    four: async () => await startServer('portcullis', { databaseUrl, allowlist, generatedTools: 0 }),
    spent: async () => await startServer('portcullis', { databaseUrl, allowlist, generatedTools: 0, env: { ATTEMPT_LIMIT_PER_MINUTE: '1' } }),
    metered: async () => await observed(telemetry),
    traced: async () => await observed({ ...telemetry, OTEL_TRACES_EXPORTER: 'otlp', OTEL_LOGS_EXPORTER: 'otlp' }),
    many: async () => await startServer('portcullis', { databaseUrl, allowlist: allowlistOfAll(folder), generatedTools })
  }
  const started = new Map<ServerName, ServerProcess>()
  try {
    return await work(async (name) => {
      const server = started.get(name) ?? await start[name]()
      started.set(name, server)
      return server
    })
  } finally {
    for (const server of started.values()) await server.stop()
    sink.close()
    rmSync(folder, { recursive: true })
  }
}

/** Takes what a collector would take, at once. */
async function collectorSink (): Promise<{ url: string, close: () => void }> {
  const server = createServer((request, response) => { request.resume().on('end', () => { response.end() }) }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      server.close()
      server.closeAllConnections()
    }
  }
}

function allowlistOfAll (folder: string): string {
  const path = join(folder, 'allowlist.yaml')
  const names = ['echo', 'search_records', 'get_record_detail', ...Array.from({ length: generatedTools }, (_, index) => generatedName(index))]
  writeFileSync(path, `allowed_tools: ${JSON.stringify(names)}`)
  return path
}
