const mayBeUnsafe = /\d{16}|\d[eE]/
const stringOrNumber = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g

/** Parses a json or jsonb column; whole numbers that a double can't hold exactly become strings instead of other numbers. */
export function parseJsonb (text: string): unknown {
  return JSON.parse(mayBeUnsafe.test(text) ? text.replace(stringOrNumber, (token) => isUnsafe(token) ? `"${token}"` : token) : text)
}

function isUnsafe (token: string): boolean {
  if (token.startsWith('"')) return false
  const number = Number(token)
  return !Number.isFinite(number) || (Number.isInteger(number) && !Number.isSafeInteger(number))
}
