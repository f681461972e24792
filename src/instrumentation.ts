import { loadConfig } from '../config/load.ts'
import { drainOnOneSignal, refuseInOneSentence } from './signals.ts'

// The preload: `node --import ./dist/src/instrumentation.js`, before Fastify is loaded.
drainOnOneSignal()
refuseInOneSentence()
loadConfig()
