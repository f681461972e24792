import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import pg from 'pg'
import t, { type Test } from 'tap'
import { faultProxy, type FaultProxy } from '../helpers/fault-proxy.ts'
import { emptyDatabase } from '../helpers/postgres.ts'

interface Echo { proxy: FaultProxy, connections: Socket[], untilHeard: (text: string) => Promise<void>, dial: () => Promise<Socket> }

/** A server that repeats what it is told, behind a proxy. */
async function echo (t: Test): Promise<Echo> {
  const connections: Socket[] = []
  let heard = ''
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    connections.push(socket)
    socket.on('error', () => {}).on('data', (chunk) => {
      heard += String(chunk)
      socket.write(chunk)
      server.emit('heard')
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of connections) socket.destroy()
    server.close()
  })
  const proxy = await faultProxy(t, `postgresql://someone@127.0.0.1:${(server.address() as AddressInfo).port}/x`)
  const dial = async (): Promise<Socket> => {
    const { hostname, port } = new URL(proxy.url)
    const socket = connect({ port: Number(port), host: hostname, allowHalfOpen: true })
    t.teardown(() => { socket.destroy() })
    await once(socket, 'connect')
    return socket
  }
  return { proxy, connections, untilHeard: async (text) => { while (!heard.includes(text)) await once(server, 'heard') }, dial }
}

async function answerTo (socket: Socket, text: string): Promise<string> {
  socket.write(text)
  return String((await once(socket, 'data'))[0])
}

t.test('without a fault, PostgreSQL is itself', async (t) => {
  const { url, open } = await faultProxy(t, await emptyDatabase(t))
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  t.equal(open(), 1)
  t.equal((await client.query("select repeat('x', 5000000) as text")).rows[0].text.length, 5_000_000)
  await client.end()
})

t.test('latency holds back what comes, in each direction', async (t) => {
  const { proxy, dial } = await echo(t)
  const socket = await dial()
  t.equal(await answerTo(socket, 'a'), 'a')

  proxy.latency(60)
  const sentAt = performance.now()
  t.equal(await answerTo(socket, 'b'), 'b')
  t.ok(performance.now() - sentAt >= 115, 'once on the way there, once on the way back')
})

t.test('a blackhole takes connections and answers nobody, until it is restored', async (t) => {
  const { proxy, connections, dial } = await echo(t)
  const before = await dial()
  await answerTo(before, 'a')
  proxy.blackhole()
  const during = await dial()
  let isSilent = true
  for (const socket of [before, during]) socket.once('data', () => { isSilent = false }).write('b')
  const other = await echo(t) // a whole exchange elsewhere is long enough to be answered
  await answerTo(await other.dial(), 'x')
  t.ok(isSilent)
  t.equal(connections.length, 1, 'nor does the target hear of them')

  const answers = Promise.all([before, during].map(async (socket) => String((await once(socket, 'data'))[0])))
  await proxy.restore()
  t.same(await answers, ['b', 'b'])
  t.equal(connections.length, 2)
})

t.test('a reset reaches both sides, and new connections work', async (t) => {
  const { proxy, connections, dial } = await echo(t)
  const socket = await dial()
  await answerTo(socket, 'a')
  const errors = [socket, connections[0] as Socket].map(async (side) => await new Promise((resolve) => { side.once('error', resolve) }))
  proxy.reset()
  t.match(await Promise.all(errors), [{ code: 'ECONNRESET' }, { code: 'ECONNRESET' }])
  t.equal(await answerTo(await dial(), 'b'), 'b')
})

t.test('a half-closed connection still carries what the client sends', async (t) => {
  const { proxy, untilHeard, dial } = await echo(t)
  const socket = await dial()
  await answerTo(socket, 'a')
  proxy.halfClose()
  await once(socket.resume(), 'end')
  socket.write('b')
  await untilHeard('ab')
})

t.test('it refuses connections and keeps those it has, until it is restored', async (t) => {
  const { proxy, dial } = await echo(t)
  const socket = await dial()
  await answerTo(socket, 'a')
  proxy.refuse()
  await t.rejects(dial(), { code: 'ECONNREFUSED' })
  t.equal(await answerTo(socket, 'b'), 'b')
  await proxy.restore()
  t.equal(await answerTo(await dial(), 'c'), 'c')
})

t.test('an end on one side ends the other', async (t) => {
  const { proxy, connections, dial } = await echo(t)
  const socket = await dial()
  await answerTo(socket, 'a')
  connections[0]?.end()
  await once(socket.resume(), 'end')
  socket.end()
  await once(socket, 'close')
  while (proxy.open() > 0) await new Promise((resolve) => { setImmediate(resolve) })
  t.equal(proxy.open(), 0)
})
