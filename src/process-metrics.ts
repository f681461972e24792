import type { Metrics, Observe } from './metrics.ts'

type ProcessMetrics = Pick<Metrics, 'processMemory' | 'processCpu' | 'processUptime'>

/** What the process takes, asked when metrics are collected. */
export function watchProcess (observe: Observe, { processMemory, processCpu, processUptime }: ProcessMetrics): void {
  observe(processMemory, (result) => { result.observe(process.memoryUsage.rss()) })
  observe(processUptime, (result) => { result.observe(process.uptime()) })
  observe(processCpu, (result) => {
    const { user, system } = process.cpuUsage()
    result.observe(user / 1e6, { 'cpu.mode': 'user' })
    result.observe(system / 1e6, { 'cpu.mode': 'system' })
  })
}
