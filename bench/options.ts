import { parseArgs } from 'node:util'
import { BenchFailed } from './failure.ts'
import { readGate, type Gate } from './gates.ts'

export interface BenchOptions {
  rounds: number
  /** Per case and round. */
  requests: number
  json?: string
  databaseUrl?: string
  allowlist: string
  gates: Gate[]
}

export const connections = 32

const usage = `Usage: npm run bench -- [options]
  --rounds N               rounds that count, after two that warm up (default 7)
  --requests N             requests per case and round, at least ${connections} (default 1000)
  --json FILE              writes the report there too
  --max-ratio NAME=N       fails when a case costs more than N times the bare route; NAME/BASELINE=N for another
                           baseline, as in lookup/fastify-pg=6; may be repeated
  --database-url URL       a PostgreSQL that may be migrated and seeded (default: the embedded one)
  --allowlist FILE         policy of the server with four tools (default bench/allowlist.yaml)`

/** @throws BenchFailed with the usage when the arguments make no sense */
export function readOptions (args: string[]): BenchOptions {
  try {
    const { values } = parseArgs({
      args,
      options: {
        rounds: { type: 'string', default: '7' },
        requests: { type: 'string', default: '1000' },
        json: { type: 'string' },
        'max-ratio': { type: 'string', multiple: true, default: [] },
        'database-url': { type: 'string' },
        allowlist: { type: 'string', default: 'bench/allowlist.yaml' }
      }
    })
    return {
      rounds: wholeNumber('--rounds', values.rounds, 1),
      requests: wholeNumber('--requests', values.requests, connections),
      json: values.json,
      databaseUrl: values['database-url'],
      allowlist: values.allowlist,
      gates: values['max-ratio'].map(readGate)
    }
  } catch (error) {
    throw new BenchFailed(`${(error as Error).message}\n\n${usage}`)
  }
}

function wholeNumber (name: string, text: string, minimum: number): number {
  if (!/^\d{1,7}$/.test(text) || Number(text) < minimum) throw new Error(`${name} must be a whole number from ${minimum}`)
  return Number(text)
}
