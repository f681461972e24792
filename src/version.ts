import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** Name and version in the nearest package.json above this file, built or not. */
export const { name, version } = nearestManifest(import.meta.dirname)

function nearestManifest (folder: string): { name: string, version: string } {
  try {
    return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  } catch (error) {
    if (dirname(folder) === folder) throw error
    return nearestManifest(dirname(folder))
  }
}
