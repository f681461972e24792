import t from 'tap'
import { createHostGuard, splitList } from '../../src/hosts.ts'
import { foreignHosts, foreignOrigins, goodHosts } from '../helpers/hosts.ts'

t.test('a foreign Host never passes, whatever the Origin', async (t) => {
  const guard = createHostGuard('localhost,127.0.0.1,[::1]', 'https://app.example.com')
  let tried = 0
  for (const host of foreignHosts) {
    for (const origin of [undefined, 'http://localhost', `http://${host}`, 'https://app.example.com', 'null']) {
      t.equal(guard(host, origin), 'host', `${host} ${String(origin)}`)
      tried++
    }
  }
  t.equal(guard(undefined, undefined), 'host', 'a missing Host fails')
  t.ok(tried >= 200, `${tried} variants`)
})

t.test('a good Host passes without an Origin, with its own and with a listed one; a foreign Origin never does', async (t) => {
  const guard = createHostGuard('localhost,127.0.0.1,[::1]', 'https://app.example.com, http://tool.example:3000')
  for (const host of goodHosts) {
    for (const origin of [undefined, `http://${host}`, `https://${host}`, `HTTP://${host.toUpperCase()}`, 'https://app.example.com', 'HTTPS://APP.example.com', 'http://tool.example:3000']) t.equal(guard(host, origin), undefined, `${host} ${String(origin)}`)
    for (const origin of [...foreignOrigins, 'https://app.example.com:444', 'http://app.example.com', 'http://tool.example', 'https://app.example.com.evil.com']) t.equal(guard(host, origin), 'origin', `${host} ${origin}`)
  }
})

t.test('an entry with a port wants that port, one without takes any', async (t) => {
  const guard = createHostGuard('mcp.example.com:8443,other.example', '')
  t.equal(guard('mcp.example.com:8443', undefined), undefined)
  t.equal(guard('mcp.example.com', undefined), 'host')
  t.equal(guard('mcp.example.com:8000', undefined), 'host')
  t.equal(guard('other.example:9', undefined), undefined)
})

t.test('lists are split at commas, white space and empty entries dropped', async (t) => {
  t.same(splitList(' a, b ,,c'), ['a', 'b', 'c'])
  t.same(splitList(''), [])
})
