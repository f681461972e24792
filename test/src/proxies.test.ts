import t from 'tap'
import Fastify from 'fastify'
import { loadConfig } from '../../config/load.ts'
import { isProxyEntry } from '../../src/proxies.ts'

t.test('an address, a range and three names are proxies, everything else is not', async (t) => {
  for (const good of ['loopback', 'linklocal', 'uniquelocal', '10.0.0.1', '10.0.0.0/8', '192.168.1.1/32', '::1', 'fd00::/8', '2001:db8::1/128', '1.2.3.4/1']) t.ok(isProxyEntry(good), good)
  for (const bad of ['', 'localhost', 'proxy', '10.0.0', '10.0.0.0/', '10.0.0.0/0', '10.0.0.0/33', '10.0.0.0/8/8', '10.0.0.0/255.0.0.0', '10.0.0.0/-1', '::/0', '::/129', '/8', 'true', '1', '10.0.0.0/1e1']) t.notOk(isProxyEntry(bad), bad)
})

t.test('Fastify takes every value that boots', async (t) => {
  for (const value of ['loopback', '10.0.0.0/8, fd00::/8', 'linklocal,uniquelocal', '::1', '192.168.1.1/32']) {
    const { TRUST_PROXY } = loadConfig({ TRUST_PROXY: value }).config
    t.doesNotThrow(() => Fastify({ trustProxy: TRUST_PROXY }), value)
  }
})
