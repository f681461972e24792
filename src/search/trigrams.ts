/**
 * Whether a trigram index narrows down `%text%`. Like pg_trgm it looks at runs of letters and digits, and knows where a
 * word begins (two blanks before it) and ends (one after it) only inside of the text.
 */
export function hasTrigram (text: string): boolean {
  for (const { 0: word, index } of text.matchAll(/[\p{L}\p{N}]+/gu)) {
    const isBegun = index > 0
    const isEnded = index + word.length < text.length
    if ([...word].length + (isBegun ? 2 : 0) + (isEnded ? 1 : 0) >= 3) return true
  }
  return false
}
