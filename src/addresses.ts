import { isIP } from 'node:net'
import { isLoopback } from '../config/rules.ts'

/**
 * Decides whether /mcp may be served on an address: HOST, or this machine. A HOST that is a wildcard or a name stands
 * for addresses that only the system knows; no address at all is a Unix socket or a call inside the process.
 */
export function createAddressCheck (host: string): (address: string | undefined) => boolean {
  const isOpen = host === '0.0.0.0' || host === '::' || (!isLoopback(host) && isIP(host) === 0)
  return (address) => isOpen || address === undefined || address === host || isLoopback(address.replace(/^::ffff:/, ''))
}
