import { existsSync, readdirSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'

/** Runs a server for the benchmark: its first message starts it, every further one asks what it has used so far. */
export function serve<Options> (build: (options: Options) => Promise<FastifyInstance>): void {
  process.once('message', async (options: Options) => {
    const app = await build(options)
    await app.listen({ host: '127.0.0.1', port: 0 })
    process.on('message', () => process.send?.({ ...process.cpuUsage(), ...kept() }))
    process.send?.({ port: (app.server.address() as AddressInfo).port })
  })
  process.once('disconnect', () => process.exit())
}

export interface Kept { heapBytes: number, files: number }

/** What is left after a collection (`--expose-gc`), and open files where the system tells. */
function kept (): Kept | undefined {
  if (globalThis.gc === undefined) return undefined
  for (let time = 0; time < 3; time++) globalThis.gc() // what a first one finds, a finalizer may free
  return { heapBytes: process.memoryUsage().heapUsed, files: existsSync('/proc/self/fd') ? readdirSync('/proc/self/fd').length : 0 }
}
