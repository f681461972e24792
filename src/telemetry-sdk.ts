import type { NodeSDK } from '@opentelemetry/sdk-node'
import { randomUUID } from 'node:crypto'
import { setEnvironment, type Config } from '../config/load.ts'
import type { Environment } from '../config/variables.ts'
import { keepExportFailures } from './export-log.ts'
import { sdkEnvironment, telemetryOf } from './telemetry-settings.ts'
import { version } from './version.ts'
import { within } from './within.ts'

/** Held here, so that the preload can start what the plugin flushes. */
let sdk: NodeSDK | undefined

/** Starts the OpenTelemetry SDK before anything that it watches is loaded; loads nothing when telemetry is off. */
export async function startSdk (config: Config, environment: Environment): Promise<void> {
  const { traces, metrics, logs } = telemetryOf(config)
  if (!traces && !metrics && !logs) return
  setEnvironment(sdkEnvironment(config, environment))
  const [{ NodeSDK: Sdk, resources }, { PinoInstrumentation }, { RuntimeNodeInstrumentation }] = await Promise.all([
    import('@opentelemetry/sdk-node'),
    import('@opentelemetry/instrumentation-pino'),
    import('@opentelemetry/instrumentation-runtime-node')
  ])
  sdk = new Sdk({
    resource: resources.defaultResource().merge(resources.resourceFromAttributes({ // OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say more, and win
      'service.name': config.SERVICE_NAME,
      'service.version': version,
      'service.instance.id': randomUUID(),
      'deployment.environment.name': config.PORTCULLIS_ENV
    })),
    instrumentations: [new PinoInstrumentation({ disableLogSending: !logs }), ...metrics ? [new RuntimeNodeInstrumentation()] : []]
  })
  if (config.OTEL_LOG_LEVEL === undefined) keepExportFailures()
  sdk.start()
  knowWhere(sdk)
}

/** What detectors find out later reaches a page that is scraped only when somebody has waited for it; exporters that send do. */
function knowWhere (started: NodeSDK): void {
  const { _resource: resource } = started as unknown as { _resource?: { waitForAsyncAttributes?: () => Promise<void> } }
  resource?.waitForAsyncAttributes?.().catch(() => {}) // a detector that fails has told of it
}

/** Whether the preload has started the SDK. */
export function hasSdk (): boolean {
  return sdk !== undefined
}

/** Sends what is not yet sent, and stops; given up after the deadline. Never rejects. */
export async function stopSdk (deadlineMs: number): Promise<void> {
  if (sdk === undefined) return
  const stopping = sdk.shutdown()
  sdk = undefined
  await within(deadlineMs, stopping).catch(() => {})
}
