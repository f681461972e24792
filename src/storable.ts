/**
 * The value as PostgreSQL can store it: text and jsonb refuse NUL and unpaired surrogates, so both become U+FFFD.
 * Objects become JSON text. Applied to every bound value.
 */
export function storable (value: unknown): unknown {
  if (typeof value === 'string') return storableText(value)
  if (Array.isArray(value)) return value.map(storable)
  if (typeof value !== 'object' || value === null || value instanceof Date || value instanceof Uint8Array) return value
  return JSON.stringify(value, (_key, inner) => typeof inner === 'string' ? storableText(inner) : inner)
}

export function storableText (text: string): string {
  return text.toWellFormed().replaceAll('\0', '\uFFFD')
}
