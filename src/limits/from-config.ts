import type { Config } from '../../config/load.ts'
import type { Limits } from './limits.ts'

/** What holds where neither the allowlist nor a tool says anything. */
export function limitsFrom (config: Config): Limits {
  return {
    call: { perMinute: config.RATE_LIMIT_PER_MINUTE || Infinity, concurrency: Infinity, timeoutMs: config.CALL_TIMEOUT_MS, resultBytes: config.RESULT_LIMIT_BYTES },
    caller: { attemptsPerMinute: config.ATTEMPT_LIMIT_PER_MINUTE || Infinity, concurrency: config.CALL_CONCURRENCY_PER_PRINCIPAL, queue: config.CALL_QUEUE_PER_PRINCIPAL, bodyBytes: config.BODY_LIMIT_BYTES }
  }
}
