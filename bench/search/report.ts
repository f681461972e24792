import { conditions } from '../conditions.ts'
import type { Timing } from './measure.ts'

export interface Table { rows: number, search: Timing[], template: Timing[] }

export function conditionsOf (rounds: number, template: number): string {
  const { date, commit, node, platform, cpus, cpuModel, loadAverage, postgres } = conditions('18.4 embedded', { rounds, requests: 1 })
  return `${date}, commit ${commit}, node ${node} on ${platform}, ${cpus} CPUs (${cpuModel}), load average ${loadAverage}, PostgreSQL ${postgres}; ${rounds} runs per class on one connection (template: ${template}), milliseconds`
}

/** Per class p50 / p95 at each size, the CPU of the backend and its ratio to the size before, and what the template's statements take. */
export function render (tables: Table[]): string {
  const heads = tables.flatMap(({ rows, template }, index) => [`${rows.toLocaleString('en-US')}: p50 / p95`, 'CPU', ...(index > 0 ? ['× CPU'] : []), 'total', ...(template.length > 0 ? ['template p50'] : [])])
  const names = tables[0]?.search.map(({ name }) => name) ?? []
  const body = names.map((name) => [name, ...tables.flatMap(({ search, template }, index) => {
    const timing = named(search, name)
    const before = index > 0 ? named((tables[index - 1] as Table).search, name) : undefined
    return [
      `${short(timing?.p50)} / ${short(timing?.p95)}`,
      short(timing?.cpu),
      ...(index > 0 ? [((timing?.cpu ?? NaN) / (before?.cpu ?? NaN)).toFixed(2)] : []),
      timing?.total ?? '',
      ...(template.length > 0 ? [short(named(template, name)?.p50)] : [])
    ]
  })])
  const lines = [['class', ...heads], ...body]
  const widths = (lines[0] as string[]).map((_, column) => Math.max(...lines.map((line) => (line[column] as string).length)))
  const [head, ...rest] = lines.map((line) => `| ${line.map((cell, column) => cell.padEnd(widths[column] as number)).join(' | ')} |`)
  return [head, `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...rest].join('\n')
}

function named (timings: Timing[], name: string): Timing | undefined {
  return timings.find((timing) => timing.name === name)
}

function short (milliseconds: number | undefined): string {
  if (milliseconds === undefined) return ''
  return milliseconds < 10 ? milliseconds.toFixed(1) : milliseconds.toFixed(0)
}
