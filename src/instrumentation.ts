import { loadConfig } from '../config/load.ts'
import { drainOnOneSignal } from './signals.ts'

// The preload: `node --import ./dist/src/instrumentation.js`, before Fastify is loaded.
drainOnOneSignal()
try {
  loadConfig()
} catch (error) {
  console.error((error as Error).message)
  process.exit(1)
}
