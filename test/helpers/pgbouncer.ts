import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import type { Test } from 'tap'
import { account, own } from '../../src/embedded-postgres/account.ts'
import { freePort } from './server-process.ts'

const program = ['/usr/sbin/pgbouncer', '/usr/bin/pgbouncer', '/opt/homebrew/bin/pgbouncer']

/** Where PgBouncer is installed, if it is. */
export function pgbouncerProgram (exists: (path: string) => boolean): string | undefined {
  return program.find(exists)
}

/** PgBouncer in transaction mode in front of a database, with so few server connections that callers share them. @returns its URL */
export async function pgbouncer (t: Test, bin: string, databaseUrl: string, serverConnections = 3): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-pgbouncer-'))
  own(folder)
  t.teardown(() => { rmSync(folder, { recursive: true, force: true }) })
  const { hostname, port, username, password, pathname } = new URL(databaseUrl)
  const ownPort = await freePort()
  const ini = join(folder, 'pgbouncer.ini')
  writeFileSync(ini, `
[databases]
${pathname.slice(1)} = host=${hostname} port=${port} user=${username} password=${password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${ownPort}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = ${serverConnections}
max_client_conn = 200
`)
  own(ini)
  const child = spawn(bin, [ini], { ...account, cwd: folder, stdio: 'ignore' })
  const exit = once(child, 'exit')
  t.teardown(async () => {
    child.kill('SIGQUIT')
    await exit
  })
  for (let tries = 0; !await accepts(ownPort); tries++) {
    if (child.exitCode !== null || tries > 500) throw new Error('pgbouncer did not start')
    await delay(20)
  }
  const url = new URL(databaseUrl)
  url.host = `127.0.0.1:${ownPort}`
  return url.href
}

async function accepts (port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
