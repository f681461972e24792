import { casesOn } from './cases.ts'
import { BenchFailed } from './failure.ts'
import type { Report } from './report.ts'

/** The most that a case may cost, as a multiple of a baseline. */
export interface Gate { name: string, baseline: string, max: number }

/**
 * Reads echo=40 or lookup/fastify-pg=6.
 * @throws Error when it names a ratio that is not measured
 */
export function readGate (text: string): Gate {
  const [, name, baseline = 'bare', max] = /^([\w-]+)(?:\/([\w-]+))?=(\d+(?:\.\d+)?)$/.exec(text) ?? []
  if (name === undefined) throw new Error('--max-ratio must look like echo=40 or lookup/fastify-pg=6')
  const measured = casesOn([]).flatMap((one) => one.baselines.map((against) => `${one.name}/${against}`))
  if (!measured.includes(`${name}/${baseline}`)) throw new Error(`--max-ratio: ${name}/${baseline} is not measured; there are ${measured.join(', ')}`)
  return { name, baseline, max: Number(max) }
}

/** @throws BenchFailed with a sentence for each ratio that is above its gate */
export function checkGates (gates: Gate[], cases: Report['cases']): void {
  const sentences = gates.flatMap(({ name, baseline, max }) => {
    const ratios: Record<string, { median: number }> = cases.find((one) => one.name === name)?.ratios ?? {}
    const median = ratios[baseline]?.median ?? Infinity
    return median > max ? [`${name} costs ${median.toFixed(2)} times ${baseline}, more than --max-ratio allows (${max})`] : []
  })
  if (sentences.length > 0) throw new BenchFailed(sentences.join('\n'))
}
