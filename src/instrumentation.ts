import { loadConfig, processEnvironment } from '../config/load.ts'
import { drainOnOneSignal, refuseInOneSentence } from './signals.ts'
import { startSdk } from './telemetry-sdk.ts'

// The preload: `node --import ./dist/src/instrumentation.js`, before Fastify is loaded.
drainOnOneSignal()
refuseInOneSentence()
await startSdk(loadConfig().config, processEnvironment())
