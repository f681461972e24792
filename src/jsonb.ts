import { isInteger, isSafeNumber, parse } from 'lossless-json'

const mayLosePrecision = /\d{16}/

/** Parses a json or jsonb column; whole numbers that a double can't hold exactly become strings instead of other numbers. */
export function parseJsonb (text: string): unknown {
  if (!mayLosePrecision.test(text)) return JSON.parse(text)
  return parse(text, undefined, (number) => isInteger(number) && !isSafeNumber(number) ? number : Number(number))
}
