import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { account, own } from '../../src/embedded-postgres/account.ts'
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../src/embedded-postgres/index.ts'
import { nativeBinaries } from '../../src/embedded-postgres/native.ts'

export interface OwnCluster {
  postgres: EmbeddedPostgres
  /** Writes a file of its data folder, for nobody else to read. */
  write: (name: string, text: string) => void
  /** Runs pg_ctl. */
  control: (...args: string[]) => void
}

/** A PostgreSQL that one test alone uses, so that it may do to it what it likes. */
export async function ownCluster (t: Test): Promise<OwnCluster> {
  const postgres = await startEmbeddedPostgres({ name: `own-${randomBytes(4).toString('hex')}` })
  t.teardown(async () => {
    await postgres.stop()
    rmSync(postgres.folder, { recursive: true })
  })
  const data = join(postgres.folder, 'data')
  return {
    postgres,
    write: (name, text) => {
      writeFileSync(join(data, name), text, { mode: 0o600 })
      own(join(data, name))
    },
    control: (...args) => {
      const { status } = spawnSync(join(nativeBinaries(postgres.folder), 'pg_ctl'), ['-D', data, '-s', '-w', '-l', join(postgres.folder, 'own.log'), ...args], { ...account, cwd: postgres.folder, stdio: 'ignore' })
      if (status !== 0) throw new Error(`pg_ctl ${args.join(' ')} ended with ${status}`)
    }
  }
}
