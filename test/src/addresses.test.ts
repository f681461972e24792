import t from 'tap'
import { createAddressCheck } from '../../src/addresses.ts'

t.test('/mcp is served on this machine, on HOST, and everywhere when HOST says so', async (t) => {
  for (const [host, served, refused] of [
    ['127.0.0.1', ['127.0.0.1', '127.8.8.8', '::1', '::ffff:127.0.0.1', undefined], ['0.0.0.0', '::', '10.0.0.5', 'fe80::1', '::ffff:10.0.0.5', '']],
    ['10.0.0.5', ['10.0.0.5', '::ffff:10.0.0.5', '127.0.0.1', undefined], ['0.0.0.0', '10.0.0.6', '::ffff:10.0.0.6']],
    ['FD00::1', ['fd00::1', 'fd00:0:0:0:0:0:0:1', '::1'], ['fd00::2', '10.0.0.5']],
    ['0:0:0:0:0:0:0:0', ['10.0.0.5', 'fd00::1'], []],
    ['0.0.0.0', ['0.0.0.0', '10.0.0.5', '::1'], []],
    ['::', ['::', '10.0.0.5', '::ffff:10.0.0.5'], []],
    ['mcp.internal', ['10.0.0.5', '0.0.0.0'], []]
  ] as Array<[string, Array<string | undefined>, string[]]>) {
    const isServed = createAddressCheck(host)
    for (const address of served) t.equal(isServed(address), true, `HOST ${host}: ${address}`)
    for (const address of refused) t.equal(isServed(address), false, `HOST ${host}: ${address}`)
  }
})
