import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** The version in the nearest package.json above this file, built or not. */
export const version = nearestVersion(import.meta.dirname)

function nearestVersion (folder: string): string {
  try {
    return (JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string }).version
  } catch (error) {
    if (dirname(folder) === folder) throw error
    return nearestVersion(dirname(folder))
  }
}
