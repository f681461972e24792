import { metrics, type Counter } from '@opentelemetry/api'

/** Every metric of the server; recorded through the OpenTelemetry API, and so exported by whatever SDK the process has loaded. */
export interface Metrics {
  /** Changes of the allowlist and of the file of keys, taken over (`ok`) or not (`error`). */
  policyReloads: Counter<{ policy: 'allowlist' | 'api_keys', outcome: 'ok' | 'error' }>
}

/** Call it while plugins load: an SDK that comes later is not seen. */
export function createMetrics (): Metrics {
  const meter = metrics.getMeter('portcullis')
  return {
    policyReloads: meter.createCounter('portcullis.policy.reloads', { unit: '{reload}', description: 'Changes of the allowlist and of API_KEYS_FILE, taken over or not' })
  }
}
