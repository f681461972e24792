import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'

/** Runs a server for the benchmark: its first message starts it, every further one asks what CPU it has used. */
export function serve<Options> (build: (options: Options) => Promise<FastifyInstance>): void {
  process.once('message', async (options: Options) => {
    const app = await build(options)
    await app.listen({ host: '127.0.0.1', port: 0 })
    process.on('message', () => process.send?.(process.cpuUsage()))
    process.send?.({ port: (app.server.address() as AddressInfo).port })
  })
  process.once('disconnect', () => process.exit())
}
