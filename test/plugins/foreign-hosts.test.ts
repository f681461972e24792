import t from 'tap'
import { Type } from 'typebox'
import { bareApp, principalHeader } from '../helpers/bare-app.ts'
import { foreignHosts, foreignOrigins, goodHosts } from '../helpers/hosts.ts'
import { listening } from '../helpers/listening.ts'
import { rpcRequest } from '../helpers/mcp-client.ts'

// S2: a bad Host or Origin never reaches a handler, whatever address is bound (CVE-2025-66414).

// Control characters are refused by the HTTP parser; Node's client takes an empty Host for none and writes its own.
const printable = foreignHosts.filter((host) => host !== '' && [...host].every((character) => character >= ' '))
const latin1 = (text: string): string => Buffer.from(text).toString('latin1')
const principal = principalHeader({ id: 'anonymous', kind: 'anonymous', roles: ['anonymous'] })

for (const address of ['127.0.0.1', '0.0.0.0', '::']) {
  t.test(`bound to ${address}, a foreign Host or Origin is answered 403 and calls nothing`, async (t) => {
    let ran = 0
    const tool = { name: 'echo', description: 'Echoes.', effect: 'read' as const, input: Type.Object({}), output: Type.Object({}), handler: async () => { ran++; return {} } }
    const { app } = await bareApp(t, { policy: { digest: '1', allows: () => true }, tools: [tool], env: { ALLOWED_HOSTS: 'localhost,127.0.0.1,[::1]', ALLOWED_ORIGINS: 'https://app.example.com' } })
    const send = await listening(app, address)
    const { headers, body } = rpcRequest('tools/call', { name: 'echo', arguments: {} })
    const status = async (host: string, origin?: string): Promise<number> => (await send({ headers: { ...headers, ...principal, host: latin1(host), origin }, body })).status

    let tried = 0
    for (const host of printable) {
      for (const origin of [undefined, 'http://localhost', latin1(`http://${host}`), 'https://app.example.com', 'null']) {
        t.equal(await status(host, origin), 403, `${host} ${String(origin)}`)
        tried++
      }
    }
    for (const origin of foreignOrigins) {
      t.equal(await status('localhost:8000', origin), 403, origin)
      tried++
    }
    t.ok(tried >= 200, `${tried} variants`)
    t.equal(ran, 0)

    for (const host of goodHosts) t.equal(await status(host), 200, host)
    t.equal(ran, goodHosts.length)
  })
}
