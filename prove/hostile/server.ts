import type { AddressInfo } from 'node:net'
import { watchLoop } from './loop-watch.ts'
import { createTarget } from './target.ts'

// A server in a process of its own: tells its port, and when asked how long its loop was blocked since the last time.
const fastify = await createTarget(process.argv[2] as string)
await fastify.listen({ host: '127.0.0.1', port: 0 })
const watch = watchLoop()

process.on('message', () => { process.send?.(watch.take()) })
process.on('disconnect', () => {
  watch.stop()
  fastify.close().then(() => { process.exit(0) }, () => { process.exit(1) })
})
process.send?.((fastify.server.address() as AddressInfo).port)
