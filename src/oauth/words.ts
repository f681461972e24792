/** Splits scopes, claim names and the like at spaces and commas, each word once. */
export function splitWords (text: string): string[] {
  return [...new Set(text.split(/[\s,]+/).filter((word) => word !== ''))]
}
