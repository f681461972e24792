import { baselines, baselineTimes, type Baseline, type Case } from './cases.ts'
import type { conditions } from './conditions.ts'
import type { Samples } from './measure.ts'

export interface Spread { median: number, min: number, max: number }

export interface Report {
  conditions: ReturnType<typeof conditions>
  cases: Array<{
    name: string
    title: string
    /** Microseconds of the server process, user and system, per request. */
    cpu: Spread
    /** Median over the median of the baseline; min and max are those of single rounds. */
    ratios: Partial<Record<Baseline, Spread>>
  }>
}

export function summarise (cases: Case[], samples: Samples): Report['cases'] {
  return cases.map(({ name, title, baselines: against }) => {
    const own = samples.get(name) as number[]
    return {
      name,
      title,
      cpu: spread(own),
      ratios: Object.fromEntries(against.map((baseline) => [baseline, ratio(own, samples.get(baseline) as number[])]))
    }
  })
}

function spread (values: number[]): Spread {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) }
}

function ratio (own: number[], baseline: number[]): Spread {
  const { min, max } = spread(own.map((value, round) => value / (baseline[round] as number)))
  return { median: median(own) / median(baseline), min, max }
}

function median (values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return ((sorted[(sorted.length - 1) >> 1] as number) + (sorted[sorted.length >> 1] as number)) / 2
}

/** The conditions and a table that may be pasted into a document. */
export function render ({ conditions, cases }: Report): string {
  const { node, platform, cpus, cpuModel, loadAverage, postgres, commit, date, rounds, requests, connections } = conditions
  const rows = [
    ['name', 'case', 'CPU µs per request', ...baselines.map((baseline) => `× ${baseline}`)],
    ...cases.map(({ name, title, cpu, ratios }) => [name, title, text(cpu), ...baselines.map((baseline) => text(ratios[baseline]))])
  ]
  const widths = (rows[0] as string[]).map((_, column) => Math.max(...rows.map((row) => (row[column] as string).length)))
  const [head, ...body] = rows.map((row) => `| ${row.map((cell, column) => cell.padEnd(widths[column] as number)).join(' | ')} |`)
  return [
    `${date}, commit ${commit}, node ${node} on ${platform}, ${cpus} CPUs (${cpuModel}), load average ${loadAverage}, PostgreSQL ${postgres}`,
    `${rounds} rounds of ${requests} requests per case (baselines ${baselineTimes} times as many) over ${connections} connections; median (min–max)`,
    '',
    head,
    `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`,
    ...body
  ].join('\n')
}

function text (spread: Spread | undefined): string {
  if (spread === undefined) return ''
  const [median, min, max] = [spread.median, spread.min, spread.max].map((value) => value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : value.toFixed(0))
  return `${median} (${min}–${max})`
}
