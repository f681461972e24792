import { execFileSync } from 'node:child_process'
import { availableParallelism, cpus, loadavg } from 'node:os'
import { connections } from './options.ts'

/** What a figure depends on besides the code. */
export function conditions (postgres: string, { rounds, requests }: { rounds: number, requests: number }) {
  return {
    date: new Date().toISOString(),
    commit: commit(),
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    cpus: availableParallelism(),
    cpuModel: cpus()[0]?.model.trim() ?? 'unknown',
    loadAverage: Math.round((loadavg()[0] as number) * 100) / 100,
    postgres,
    rounds,
    requests,
    connections
  }
}

function commit (): string {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty', '--exclude=*'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  } catch {
    return 'unknown' // an archive, or no git
  }
}
