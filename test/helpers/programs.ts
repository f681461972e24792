import { spawnSync } from 'node:child_process'

const hasCurl = spawnSync('curl', ['--version']).error === undefined

/** Why a snippet or script can't be run on this machine, or false: a leg that is not run says so and does not pass. */
export function whyNotRun (code: string): string | false {
  return !hasCurl && /\bcurl\b|\.sh$/.test(code) ? 'leg not run: curl is not installed' : false
}
