import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import t from 'tap'
import { name, version } from '../../src/version.ts'

const checkout = resolve(import.meta.dirname, '../..')

t.test('name and version are those of package.json', async (t) => {
  const manifest = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8'))

  t.equal(name, manifest.name)
  t.equal(version, manifest.version)
  t.match(version, /^\d+\.\d+\.\d+/)
})

t.test('the version is found wherever the code is installed, from the package.json nearest above it', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-version-'))
  t.teardown(() => { rmSync(folder, { recursive: true }) })
  mkdirSync(join(folder, 'app/dist/src'), { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{ "version": "0.0.0-outer" }')
  writeFileSync(join(folder, 'app/package.json'), '{ "version": "7.8.9", "type": "module" }')
  copyFileSync(join(checkout, 'src/version.ts'), join(folder, 'app/dist/src/version.ts'))

  const installed = await import(join(folder, 'app/dist/src/version.ts')) as { version: string }

  t.equal(installed.version, '7.8.9')
})
