import type { FastifyBaseLogger } from 'fastify'

/** Tells the log of a spell of refusals when it begins, of each source that it has, and when it is over, however many requests are refused. */
export interface SpellLog {
  refused: (source: string) => void
  close: () => void
}

export interface SpellTexts { begins: string, ends: string }

const maxSources = 100

/** @param quietMs a spell is over when nothing was refused for so long */
export function createSpellLog (log: Pick<FastifyBaseLogger, 'warn' | 'info'>, { begins, ends }: SpellTexts, quietMs = 5_000): SpellLog {
  const sources = new Set<string>()
  let refused = 0
  let ending: NodeJS.Timeout | undefined

  function end (): void {
    clearTimeout(ending)
    ending = undefined
    log.info({ refused, sources: [...sources] }, ends)
    refused = 0
    sources.clear()
  }

  return {
    refused: (source) => {
      refused++
      if (ending === undefined) ending = setTimeout(end, quietMs).unref()
      else ending.refresh()
      if (sources.has(source) || sources.size >= maxSources) return
      sources.add(source)
      log.warn({ source }, begins)
    },
    close: () => { if (ending !== undefined) end() }
  }
}
