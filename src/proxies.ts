import { isIP } from 'node:net'

const names = new Set(['loopback', 'linklocal', 'uniquelocal'])

/** Whether an entry of TRUST_PROXY can be understood; a range that holds every address can't. */
export function isProxyEntry (entry: string): boolean {
  if (names.has(entry)) return true
  const [address, bits, ...rest] = entry.split('/')
  const family = isIP(address as string)
  if (family === 0 || rest.length > 0) return false
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) >= 1 && Number(bits) <= (family === 4 ? 32 : 128))
}
