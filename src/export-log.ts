import { diag, DiagLogLevel } from '@opentelemetry/api'
import type { FastifyBaseLogger } from 'fastify'
import { createSpellLog, type SpellLog } from './spell-log.ts'

const texts = { begins: 'telemetry can\'t be sent', ends: 'telemetry had not been sent for a while' }
const marginMs = 15_000
const longestText = 200

const early: unknown[] = []

/** Keeps what the SDK says before there is a log. */
export function keepExportFailures (): void {
  diag.setLogger({ error: (text) => { early.push(text) }, warn: () => {}, info: () => {}, debug: () => {}, verbose: () => {} }, { logLevel: DiagLogLevel.ERROR, suppressOverrideMessage: true })
}

/** Hears what the OpenTelemetry SDK has to say: that an export failed is told once, however often it does. */
export function logExportFailures (log: FastifyBaseLogger, intervalMs: number): SpellLog {
  const spell = createSpellLog(log, texts, intervalMs + marginMs)
  const detail = (text: string): void => { log.debug({ text }, 'OpenTelemetry') }
  diag.setLogger({ error: (text) => { spell.refused(reasonOf(text)) }, warn: detail, info: detail, debug: detail, verbose: () => {} }, { logLevel: DiagLogLevel.INFO, suppressOverrideMessage: true })
  for (const text of early.splice(0)) spell.refused(reasonOf(text))
  return spell
}

/** The SDK reports an error as its JSON, stack and all, or as it is. */
function reasonOf (told: unknown): string {
  const text = told instanceof Error ? told.message : String(told)
  try {
    const { name, code, message } = JSON.parse(text) as { name?: string, code?: unknown, message?: string }
    return [name, code, message].filter((part) => part !== undefined && part !== '').join(' ').slice(0, longestText)
  } catch {
    return text.slice(0, longestText)
  }
}
