import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'

const beatMs = 5

export interface Block {
  /** How long the event loop stood still at most, whoever had the processor. */
  wallMs: number
  /** The same, but no longer than this process was computing in that time: what others took of a busy machine is not in it. */
  busyMs: number
}

/** Watches the event loop of this process; `take` gives the longest blocks since the last time. */
export function watchLoop (): { take: () => Block, stop: () => void } {
  const histogram = monitorEventLoopDelay({ resolution: beatMs })
  histogram.enable()
  let last = performance.now()
  let lastCpu = process.cpuUsage()
  let busyMs = 0
  const timer = setInterval(() => {
    const now = performance.now()
    const { user, system } = process.cpuUsage(lastCpu)
    busyMs = Math.max(busyMs, Math.min(now - last, (user + system) / 1000) - beatMs)
    last = now
    lastCpu = process.cpuUsage()
  }, beatMs).unref()

  return {
    take: () => {
      const block = { wallMs: Math.max(0, histogram.max / 1e6 - beatMs), busyMs }
      histogram.reset()
      busyMs = 0
      return block
    },
    stop: () => {
      clearInterval(timer)
      histogram.disable()
    }
  }
}

/** The longest blocks while something runs. */
export async function blocksDuring (run: () => Promise<void>): Promise<Block> {
  const watch = watchLoop()
  await delay(2 * beatMs)
  watch.take()
  await run()
  await delay(2 * beatMs) // one at the very end counts too
  const block = watch.take()
  watch.stop()
  return block
}
