import { createHash, randomBytes } from 'node:crypto'
import { ApiKeysInvalid } from './errors.ts'
import type { Principal } from './mcp/tool.ts'

/** What one line of API_KEYS_FILE says of a key. */
export interface KeyEntry { id: string, roles: string[], tenant?: string, expires?: Date }

export interface KeyRing {
  /** The principal of a key that is on the ring and has not expired. */
  find: (key: string, now?: number) => Principal | undefined
  size: number
}

const word = /^[\x21-\x2b\x2d-\x7e]{1,128}$/ // visible ASCII without the comma
const sha256 = /^sha256:[0-9a-f]{64}$/
const taken = ['anonymous', 'default']
export const noKeys: KeyRing = { find: () => undefined, size: 0 }

/**
 * Reads lines of `<id> sha256:<hex> roles=<a,b> [tenant=<t>] [expires=<ISO 8601>]`; `#` begins a comment. Looking a
 * key up compares digests, so its time tells nothing about keys.
 * @throws ApiKeysInvalid naming the line, never what stands in it
 */
export function parseKeys (text: string, path: string): KeyRing {
  const byHash = new Map<string, { principal: Principal, expiresAt: number }>()
  const ids = new Set<string>()
  for (const [index, line] of text.replace(/^\uFEFF/, '').split(/\r?\n|\r/).entries()) {
    const [id = '', hash = '', ...rest] = line.replace(/(^|\s)#.*$/, '').trim().split(/\s+/)
    if (id === '') continue
    const invalid = (reason: string): Error => new ApiKeysInvalid(path, String(index + 1), reason)
    if (!word.test(id) || taken.includes(id)) throw invalid(`the id must be visible ASCII, at most 128 characters, without commas, and not ${taken.join(' or ')}`)
    if (!sha256.test(hash)) throw invalid('after the id stands sha256: and 64 hexadecimal digits; make a line with: portcullis keys new')
    if (ids.has(id)) throw invalid('its id stands in the file twice')
    if (byHash.has(hash)) throw invalid('its key stands in the file twice')
    const { roles, tenant, expires } = fieldsOf(rest, invalid)
    ids.add(id)
    byHash.set(hash, {
      principal: Object.freeze({ id, kind: 'api-key', roles: Object.freeze(roles), ...tenant === undefined ? {} : { tenant } }),
      expiresAt: expires?.getTime() ?? Infinity
    })
  }
  return {
    size: byHash.size,
    find: (key, now = Date.now()) => {
      const found = byHash.get(hashOf(key))
      return found !== undefined && now < found.expiresAt ? found.principal : undefined
    }
  }
}

/** A new key with 256 random bits, and its line for API_KEYS_FILE; the key itself is nowhere else. */
export function newKey ({ id, roles, tenant, expires }: KeyEntry): { key: string, line: string } {
  const key = `pc_${randomBytes(32).toString('base64url')}`
  const line = [id, hashOf(key), `roles=${roles.join(',')}`, ...tenant === undefined ? [] : [`tenant=${tenant}`], ...expires === undefined ? [] : [`expires=${expires.toISOString()}`]].join(' ')
  const read = parseKeys(line, 'new key').find(key, 0) // what the server would refuse, or read otherwise, is not handed out
  if (read?.id !== id || read.roles.join() !== roles.join() || read.roles.length !== roles.length) throw new ApiKeysInvalid('new key', '1', 'ids and roles have no comma and begin with no #')
  return { key, line }
}

/** A date or time of ISO 8601; a time without a zone is UTC. */
export function readExpiry (text: string): Date | undefined {
  if (!/^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2})?)?$/.test(text)) return undefined
  const date = new Date(/T.*(Z|[+-]\d{2}:\d{2})$/.test(text) || !text.includes('T') ? text : `${text}Z`)
  return Number.isNaN(date.getTime()) ? undefined : date
}

function fieldsOf (fields: string[], invalid: (reason: string) => Error): Omit<KeyEntry, 'id'> {
  const values = new Map<string, string>()
  for (const field of fields) {
    const [, name = '', value = ''] = /^(roles|tenant|expires)=(\S+)$/.exec(field) ?? []
    if (name === '') throw invalid('after the hash stand roles=a,b and, if need be, tenant=t and expires=2027-01-31')
    if (values.has(name)) throw invalid(`${name} stands there twice`)
    values.set(name, value)
  }
  const roles = values.get('roles')?.split(',')
  if (roles === undefined || !roles.every((role) => word.test(role))) throw invalid('roles= must name at least one role, separated by commas')
  const expires = values.get('expires')
  const date = expires === undefined ? undefined : readExpiry(expires)
  if (expires !== undefined && date === undefined) throw invalid('expires= must be a day or time such as 2027-01-31 or 2027-01-31T12:00:00Z')
  return { roles, tenant: values.get('tenant'), expires: date }
}

function hashOf (key: string): string {
  return `sha256:${createHash('sha256').update(key).digest('hex')}`
}
