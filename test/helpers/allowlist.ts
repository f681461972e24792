import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'

/** The path of an allowlist file with that text. */
export function allowlistFile (t: Test, text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-allowlist-'))
  t.teardown(() => { rmSync(folder, { recursive: true }) })
  writeFileSync(join(folder, 'allowlist.yaml'), text)
  return join(folder, 'allowlist.yaml')
}

/** The path of an allowlist file that allows these tools. */
export function allowing (t: Test, ...tools: string[]): string {
  return allowlistFile(t, `allowed_tools: ${JSON.stringify(tools)}`)
}
