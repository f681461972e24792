const sameSignalMs = 500
const exitCodes = { SIGINT: 130, SIGTERM: 143 } as const
let isInstalled = false
let isBooting = true
let lastSignal: NodeJS.Signals | undefined

/** Whether the preload ran: without it a Ctrl-C through npm cuts calls short. */
export function hasPreload (): boolean {
  return isInstalled
}

/** The signal that the process got last, if the preload ran. */
export function signalSeen (): NodeJS.Signals | undefined {
  return lastSignal
}

/** From now on a signal drains instead of ending the process at once. */
export function bootIsOver (): void {
  isBooting = false
}

/**
 * Ctrl-C under `npm start` arrives twice, from the terminal and from npm (a supervisor that signals the whole group
 * does the same with SIGTERM), and the second would end the process in the middle of its drain. And a signal during boot, when there is nothing to drain and a closing
 * server would wait for its boot to finish, ends the process at once with its exit handlers run.
 */
export function drainOnOneSignal (): void {
  isInstalled = true
  const last = { SIGINT: -Infinity, SIGTERM: -Infinity }
  const emit = process.emit
  // The override comes before the first listener: node binds process.emit then.
  process.emit = function (this: NodeJS.Process, name: string, ...rest: unknown[]) {
    if (name === 'SIGINT' || name === 'SIGTERM') {
      const now = performance.now()
      if (now - last[name] < sameSignalMs) return true
      last[name] = now
    }
    return (emit as (...args: unknown[]) => boolean).call(this, name, ...rest)
  } as typeof process.emit

  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      lastSignal = signal
      if (isBooting) process.exit(exitCodes[signal])
    })
  }
}

/**
 * An error of ours that nobody caught while the server boots ends the process with its sentence alone. Node would put its
 * own source and an object around it, and fastify-cli, which listens for rejections once it has the plugins, log it.
 */
export function refuseInOneSentence (): void {
  const emit = process.emit
  process.emit = function (this: NodeJS.Process, name: string, ...rest: unknown[]) {
    if (isBooting && (name === 'unhandledRejection' || name === 'uncaughtExceptionMonitor')) endOnRefusal(rest[0])
    return (emit as (...args: unknown[]) => boolean).call(this, name, ...rest)
  } as typeof process.emit
}

function endOnRefusal (error: unknown): void {
  const { code, message } = (error ?? {}) as { code?: unknown, message?: string }
  if (typeof code !== 'string' || !code.startsWith('MCP_')) return
  console.error(message)
  process.exit(1)
}
