import { readdirSync, readFileSync, realpathSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve, sep } from 'node:path'

/** Folders of the packages that a production has. */
export function packagesOf (lockFile: string): string[] {
  const { packages } = JSON.parse(readFileSync(lockFile, 'utf8')) as { packages: Record<string, { dev?: boolean }> }
  return Object.entries(packages).filter(([path, { dev }]) => path !== '' && dev !== true).map(([path]) => path)
}

/** What packages reach in `whole` and not in `trimmed`: what their manifests name, and what their code asks for. Types are nobody's file. */
export function missingFiles (trimmed: string, whole: string, packages: string[]): string[] {
  const inProduction = packages.map((path) => realpathSync(join(whole, path)) + sep)
  const isMissing = (from: string, asked: string): boolean => {
    const file = fileOf(join(whole, from), asked)
    return file !== undefined && inProduction.some((path) => file.startsWith(path)) && fileOf(join(trimmed, from), asked) === undefined
  }
  return packages.flatMap((path) => [
    ...targetsIn(JSON.parse(readFileSync(join(trimmed, path, 'package.json'), 'utf8'))).filter((target) => isMissing(join(path, 'package.json'), `./${target}`)).map((target) => `${path}/package.json: ${target}`),
    ...codeIn(join(trimmed, path)).flatMap((file) => asksIn(readFileSync(join(trimmed, path, file), 'utf8')).filter((asked) => isMissing(join(path, file), asked)).map((asked) => `${join(path, file)}: ${asked}`))
  ])
}

function fileOf (from: string, asked: string): string | undefined {
  try {
    return createRequire(resolve(from)).resolve(asked)
  } catch {
    return undefined
  }
}

/** Files that a manifest names, but for types and patterns. */
function targetsIn ({ main, module, bin, exports, imports }: Record<string, unknown>): string[] {
  const leaves = (value: unknown): string[] => typeof value === 'string' ? [value] : value === null || typeof value !== 'object' ? [] : Object.values(value).flatMap(leaves)
  return [...new Set([main, module, bin, exports, imports].flatMap(leaves))].filter((target) => !/\*|\.[mc]?ts$/.test(target))
}

function codeIn (folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => /\.[mc]?js$/.test(name) && !name.startsWith('node_modules/'))
}

function asksIn (text: string): string[] {
  return [...new Set([...text.matchAll(/(?:\brequire\(|\bfrom|\bimport\(?)\s*(['"])([^'"\s]+)\1/g)].map(([, , asked]) => asked as string))]
}
