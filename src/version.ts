import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** The nearest folder above this file with a package.json, built or not; `migrations/` is in it too. */
export const packageFolder = nearestPackage(import.meta.dirname)

export const { name, version } = JSON.parse(readFileSync(join(packageFolder, 'package.json'), 'utf8')) as { name: string, version: string }

function nearestPackage (folder: string): string {
  try {
    readFileSync(join(folder, 'package.json'))
    return folder
  } catch (error) {
    if (dirname(folder) === folder) throw error
    return nearestPackage(dirname(folder))
  }
}
