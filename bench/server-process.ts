import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { processEnvironment } from '../config/load.ts'
import { BenchFailed } from './failure.ts'

export interface ServerProcess {
  url: string
  /** User and system time of the process so far, microseconds. */
  cpu: () => Promise<number>
  stop: () => Promise<void>
}

/** Starts a program of `bench/programs/` as a process of its own. Its log goes to the null device: written, kept nowhere. */
export async function startServer (program: string, options: object, { preload = false, env = {} }: { preload?: boolean, env?: Record<string, string> } = {}): Promise<ServerProcess> {
  const execArgv = preload ? ['--import', join(import.meta.dirname, '../src/instrumentation.js')] : []
  const child = fork(join(import.meta.dirname, 'programs', `${program}.js`), { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], execArgv, env: { ...processEnvironment(), ...env } })
  const exit = once(child, 'exit')
  const died = exit.then(([code, signal]) => { throw new BenchFailed(`the server ${program} ended by itself (${signal ?? `exit code ${code}`})`) })
  died.catch(() => {}) // heard by whoever asks next

  async function ask (message: object): Promise<any> {
    const answer = once(child, 'message')
    child.send(message, () => {})
    return (await Promise.race([answer, died]))[0]
  }

  const { port } = await ask(options)
  return {
    url: `http://127.0.0.1:${port}/mcp`,
    cpu: async () => {
      const { user, system } = await ask({})
      return user + system
    },
    stop: async () => {
      if (child.connected) child.disconnect()
      await exit
    }
  }
}
