import { isIP, isIPv6 } from 'node:net'
import { isLoopback } from '../config/rules.ts'

/**
 * Decides whether /mcp may be served on an address: HOST, or this machine. A HOST that is a wildcard or a name stands
 * for addresses that only the system knows; no address at all is a Unix socket or a call inside the process.
 */
export function createAddressCheck (host: string): (address: string | undefined) => boolean {
  const served = canonical(host)
  const isOpen = served === '0.0.0.0' || served === '::' || (!isLoopback(host) && isIP(host) === 0)
  return (address) => isOpen || address === undefined || canonical(address) === served || isLoopback(canonical(address))
}

/** One spelling for each address; IPv4 that came over an IPv6 socket is IPv4. */
function canonical (address: string): string {
  const bare = address.replace(/^::ffff:(?=\d+\.)/i, '')
  return isIPv6(bare) && !bare.includes('%') ? new URL(`http://[${bare}]`).hostname.slice(1, -1) : bare
}
