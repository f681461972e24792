import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

export interface FaultProxy {
  /** The target's URL, by way of the proxy. */
  url: string
  /** How many connections are open through it. */
  open: () => number
  /** Holds back for so long what comes from now on, in each direction; the order stays. */
  latency: (ms: number) => void
  /** Accepts connections and forwards nothing, closing included; what was held back arrives when it is restored. */
  blackhole: () => void
  /** Resets the open connections on both sides (RST); new ones are served. */
  reset: () => void
  /** Tells the clients of open connections that the target has ended (FIN); what they send still arrives. */
  halfClose: () => void
  /** Stops listening; open connections stay. With `reset` it is a target that is gone. */
  refuse: () => void
  /** Takes every fault back: listens, forwards, at once. */
  restore: () => Promise<void>
}

interface Link { client: Socket, target?: Socket }

/** A TCP proxy in front of a server, such as PostgreSQL, that fails the way networks do. It ends with the test. */
export async function faultProxy (t: { teardown: (end: () => void) => unknown }, url: string): Promise<FaultProxy> {
  const { hostname, port } = new URL(url)
  const links = new Set<Link>()
  let latencyMs = 0
  let light: Promise<void> = Promise.resolve()
  let lightUp = (): void => {}

  function forward (from: Socket, to: Socket): void {
    let last: Promise<unknown> = Promise.resolve()
    const inTurn = (act: () => void): void => {
      const dueAt = performance.now() + latencyMs
      last = last.then(async () => {
        const early = dueAt - performance.now()
        if (early > 0) await delay(early)
        await light
        act()
      })
    }
    from.on('data', (chunk) => { inTurn(() => { if (to.writable) to.write(chunk) }) })
    from.on('end', () => { inTurn(() => { to.end() }) })
    from.on('error', () => { inTurn(() => { to.resetAndDestroy() }) })
    from.on('close', () => { inTurn(() => { to.destroySoon() }) })
  }

  const server = createServer({ allowHalfOpen: true }, async (client) => {
    const link: Link = { client }
    links.add(link)
    client.on('close', () => { links.delete(link) }).on('error', () => {}).pause()
    await light // a connection that nobody hears of is not made
    if (client.destroyed) return
    link.target = connect({ port: Number(port), host: hostname, allowHalfOpen: true })
    forward(client, link.target)
    forward(link.target, client)
    client.resume()
  })

  async function listen (onPort: number): Promise<void> {
    server.listen(onPort, '127.0.0.1')
    await once(server, 'listening')
  }

  await listen(0)
  const through = new URL(url)
  through.host = `127.0.0.1:${(server.address() as AddressInfo).port}`

  const reset = (): void => {
    for (const { client, target } of links) {
      client.resetAndDestroy()
      target?.resetAndDestroy()
    }
  }
  t.teardown(() => {
    server.close()
    reset()
    lightUp()
  })

  return {
    url: through.href,
    open: () => links.size,
    latency: (ms) => { latencyMs = ms },
    blackhole: () => {
      lightUp()
      light = new Promise((resolve) => { lightUp = resolve })
    },
    reset,
    halfClose: () => { for (const { client } of links) client.end() },
    refuse: () => { server.close() },
    restore: async () => {
      latencyMs = 0
      lightUp()
      light = Promise.resolve()
      if (!server.listening) await listen(Number(through.port))
    }
  }
}
