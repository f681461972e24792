import t from 'tap'
import { createHostGuard, splitList } from '../../src/hosts.ts'

const foreignHosts = ['evil.com', 'localhost.evil.com', 'evil.com:8000', 'localhost@evil.com', 'evil.com@localhost', 'localhost.', '.localhost', 'localhost..', 'local host', 'localhost evil.com', 'localhost,evil.com', 'localhost/evil', 'localhost:', 'localhost:8000:8000', 'localhost:port', 'localhost:999999', '127.0.0.1.evil.com', '127.0.0.2', '127.1', '0.0.0.0', '2130706433', '0x7f000001', '[::]', '[::1', '::1', '[::ffff:127.0.0.1]', '169.254.169.254', '192.168.0.1', '10.0.0.1', 'http://localhost', 'localhost#', 'localhost?', 'localhost\\evil.com', 'xn--lcalhost-54a', 'lоcalhost', '', ' ', '\t', 'null', '*', 'localhost\0', 'localhost%00', 'localhost%2eevil.com', '-localhost', 'user:pass@localhost', '[localhost]', 'LOCALHOST.EVIL.COM']
const goodHosts = ['localhost', 'localhost:8000', 'localhost:1', 'LOCALHOST', 'LocalHost:65535', '127.0.0.1', '127.0.0.1:8000', '[::1]', '[::1]:8000']
const foreignOrigins = ['null', 'http://evil.com', 'https://evil.com', 'http://localhost.evil.com', 'http://localhost.evil.com:8000', 'http://evil.com:8000', 'http://localhost@evil.com', 'http://evil.com#localhost', 'file://', 'file:///etc/passwd', 'chrome-extension://abc', 'http://127.0.0.1.evil.com', 'ftp://localhost', 'localhost', '', ' ', 'http://', 'http:localhost', 'http://localhost/path', 'http://localhost ', 'https://localhost:444']

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
