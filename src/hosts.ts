import { isIPv6 } from 'node:net'

/** Splits a comma-separated setting; white space around entries and empty entries don't count. */
export function splitList (value: string): string[] {
  return value.split(',').map((entry) => entry.trim()).filter((entry) => entry !== '')
}

export interface HostEntry { hostname: string, port: string | undefined }

const hostPattern = /^(\[[0-9a-f:.]+\]|[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?)(?::(\d{1,5}))?$/

/** Reads `name`, `name:port`, `[v6]` or `[v6]:port`, in any case; anything else is undefined. */
export function parseHostEntry (text: string): HostEntry | undefined {
  const match = hostPattern.exec(text.toLowerCase())
  if (match === null) return undefined
  const [, hostname, port] = match as unknown as [string, string, string | undefined]
  if (hostname.startsWith('[') && !isIPv6(hostname.slice(1, -1))) return undefined
  return port !== undefined && (Number(port) < 1 || Number(port) > 65535) ? undefined : { hostname, port }
}

/**
 * Decides which Host and Origin headers may reach a handler, whatever address is bound (MCP transports,
 * "Security Warning"; CVE-2025-66414). A page of the server's own origin is not foreign.
 */
export function createHostGuard (allowedHosts: string, allowedOrigins: string): (host: string | undefined, origin: string | undefined) => 'host' | 'origin' | undefined {
  const hosts = splitList(allowedHosts).flatMap((entry) => parseHostEntry(entry) ?? [])
  const origins = new Set(splitList(allowedOrigins).map((entry) => entry.toLowerCase()))

  const isAllowedHost = (host: string): boolean => {
    const asked = parseHostEntry(host)
    return asked !== undefined && hosts.some(({ hostname, port }) => hostname === asked.hostname && (port === undefined || port === asked.port))
  }

  return (host, origin) => {
    if (host === undefined || !isAllowedHost(host)) return 'host'
    if (origin === undefined || origins.has(origin.toLowerCase())) return undefined
    const own = host.toLowerCase()
    return origin.toLowerCase() === `http://${own}` || origin.toLowerCase() === `https://${own}` ? undefined : 'origin'
  }
}
