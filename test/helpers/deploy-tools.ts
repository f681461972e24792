/** Why a leg of test/deploy is not run, or false; where CI=true a missing tool is an error, so that nothing is left out unseen. */
export function whyMissing (isThere: boolean, what: string): string | false {
  if (isThere) return false
  if (process.env.CI === 'true') throw new Error(what)
  return `leg not run: ${what}`
}
