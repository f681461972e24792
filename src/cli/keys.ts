import { parseArgs } from 'node:util'
import { newKey, readExpiry } from '../api-keys.ts'
import { UsageError } from './usage-error.ts'

/** `portcullis keys new --id ID --role ROLE [--role …] [--tenant T] [--expires DAY]` */
export async function keysCommand ([action, ...args]: string[]): Promise<void> {
  const { id, role: roles, tenant, expires } = parseArgs({ args, options: { id: { type: 'string' }, role: { type: 'string', multiple: true }, tenant: { type: 'string' }, expires: { type: 'string' } } }).values
  if (action !== 'new' || id === undefined || roles === undefined) throw new UsageError('write: keys new --id ID --role ROLE')
  const date = expires === undefined ? undefined : readExpiry(expires)
  if (expires !== undefined && date === undefined) throw new UsageError('--expires must be a day or time such as 2027-01-31 or 2027-01-31T12:00:00Z')
  if (date !== undefined && date.getTime() <= Date.now()) throw new UsageError('--expires lies in the past')
  const { key, line } = newKey({ id, roles, tenant, expires: date })
  console.log(`key, shown this once:\n${key}\n\nline for the file of API_KEYS_FILE:\n${line}`)
}
