/**
 * The value as PostgreSQL can store it: text and jsonb refuse NUL and unpaired surrogates, so both become U+FFFD.
 * Objects become JSON text. Applied to every bound value.
 */
export function storable (value: unknown): unknown {
  if (typeof value === 'string') return storableText(value)
  if (Array.isArray(value)) return value.map(storable)
  if (typeof value !== 'object' || value === null || value instanceof Date || value instanceof Uint8Array) return value
  // JSON.stringify escapes just what jsonb refuses, in keys as in values: NUL and unpaired surrogates
  return JSON.stringify(value)?.replace(/\\(?:u0000|ud[89a-f][0-9a-f]{2}|.)/g, (escape) => escape.length > 2 && /^\\u(0000|d)/.test(escape) ? '\uFFFD' : escape)
}

export function storableText (text: string): string {
  return text.toWellFormed().replaceAll('\0', '\uFFFD')
}
