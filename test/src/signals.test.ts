import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import t, { type Test } from 'tap'

const signals = pathToFileURL(resolve(import.meta.dirname, '../../src/signals.ts')).href
const deadlineMs = 30_000
// Only tap's TypeScript loader. The process watcher that tap hands to every child through NODE_OPTIONS, whatever the
// environment says, listens for signals first, and our override must come before the first listener.
const loader = [...process.execArgv.filter((flag) => flag.includes('@tapjs/typescript')), '--disable-warning=DEP0205'] // Node 26 says that its way in is old

/** A program with two listeners, one exit handler and a clock that the test sets. */
const program = `
  import { bootIsOver, drainOnOneSignal, hasPreload } from '${signals}'
  const [preload, boot] = process.argv.slice(1)
  let now = 0
  performance.now = () => now
  process.on('message', (time) => { now = time; process.send('clock set') })
  const before = hasPreload()
  if (preload === 'preload') drainOnOneSignal()
  if (boot === 'served') bootIsOver()
  for (const name of ['SIGINT', 'SIGTERM', 'SIGUSR2']) process.on(name, (...args) => { process.send([name + ' at ' + now, ...args].join()) })
  process.once('SIGTERM', () => {})
  process.on('exit', (code) => { console.log('exit handler saw ' + code) })
  process.send('preload ' + before + ' then ' + hasPreload())
`

interface Running {
  child: ChildProcess
  /** Everything that the listeners reported so far. */
  reports: string[]
  nextReport: () => Promise<string>
  /** Sends a real signal while the child's clock shows that time. */
  signal: (name: NodeJS.Signals, at: number) => Promise<void>
}

async function start (t: Test, preload: 'preload' | 'bare', boot: 'booting' | 'served'): Promise<Running> {
  const child = spawn('env', ['-u', 'NODE_OPTIONS', process.execPath, ...loader, '--input-type=module', '--eval', program, preload, boot], { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
  t.teardown(() => { child.kill('SIGKILL') })
  const reports: string[] = []
  child.on('message', (report: string) => { if (report !== 'clock set') reports.push(report) })

  const nextReport: Running['nextReport'] = async () => (await once(child, 'message', { signal: AbortSignal.timeout(deadlineMs) }))[0]
  const signal: Running['signal'] = async (name, at) => {
    const isSet = nextReport()
    child.send(at)
    await isSet
    child.kill(name)
  }
  await nextReport()
  return { child, reports, nextReport, signal }
}

/** Sends the signal and waits for the listener to report it. */
async function counted ({ signal, reports }: Running, child: ChildProcess, name: NodeJS.Signals, at: number): Promise<void> {
  const size = reports.length
  await signal(name, at)
  while (reports.length === size) await once(child, 'message', { signal: AbortSignal.timeout(deadlineMs) })
}

t.test('a signal during boot ends the process at once, its exit handlers run, whoever else listens', async (t) => {
  for (const [name, code] of [['SIGINT', 130], ['SIGTERM', 143]] as const) {
    const { child } = await start(t, 'preload', 'booting')
    const output = child.stdout?.setEncoding('utf8').toArray()

    const ended = once(child, 'close', { signal: AbortSignal.timeout(deadlineMs) })
    child.kill(name)

    t.same(await ended, [code, null], name)
    t.same((await output)?.join(''), `exit handler saw ${code}\n`)
  }
})

t.test('a signal that arrives twice within half a second is one signal, and the process lives on', async (t) => {
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    const running = await start(t, 'preload', 'served')
    const { child, reports, signal } = running

    await counted(running, child, name, 1000)
    await signal(name, 1000)
    await signal(name, 1499)
    await counted(running, child, 'SIGUSR2', 1499)
    await counted(running, child, name, 1500)

    t.same(reports.slice(1).map((report) => report.split(',')[0]), [`${name} at 1000`, 'SIGUSR2 at 1499', `${name} at 1500`])
    t.equal(child.exitCode, null)
  }
})

t.test('the first signal counts however early it comes, and reaches its listener with its arguments', async (t) => {
  const running = await start(t, 'preload', 'served')

  await counted(running, running.child, 'SIGTERM', 0)

  t.same(running.reports.slice(1), ['SIGTERM at 0,SIGTERM,15'])
})

t.test('SIGINT and SIGTERM are counted apart, and no other signal is held back', async (t) => {
  const running = await start(t, 'preload', 'served')
  for (const name of ['SIGINT', 'SIGTERM', 'SIGUSR2', 'SIGUSR2'] as const) await counted(running, running.child, name, 10)

  t.same(running.reports.slice(1).map((report) => report.split(' ')[0]), ['SIGINT', 'SIGTERM', 'SIGUSR2', 'SIGUSR2'])
})

t.test('without the preload every signal counts, and hasPreload says which of the two it is', async (t) => {
  const bare = await start(t, 'bare', 'served')
  for (const at of [10, 20]) await counted(bare, bare.child, 'SIGINT', at)
  t.same(bare.reports.map((report) => report.split(',')[0]), ['preload false then false', 'SIGINT at 10', 'SIGINT at 20'])

  const { reports } = await start(t, 'preload', 'served')
  t.same(reports, ['preload false then true'])
})

const failing = `
  import { bootIsOver, refuseInOneSentence } from '${signals}'
  const [boot, code, how] = process.argv.slice(1)
  refuseInOneSentence()
  if (boot === 'served') bootIsOver()
  const error = Object.assign(new Error('the sentence'), { code })
  if (how === 'listened to') process.on('unhandledRejection', () => { console.error('listener') })
  if (how === 'thrown') throw error
  Promise.reject(error)
`

function stderrOf (...args: string[]): { status: number | null, stderr: string } {
  return spawnSync('env', ['-u', 'NODE_OPTIONS', process.execPath, ...loader, '--input-type=module', '--eval', failing, ...args], { encoding: 'utf8' })
}

t.test('an error of ours during boot ends the process with its sentence alone, whoever else listens', async (t) => {
  for (const how of ['thrown', 'rejected', 'listened to']) t.match(stderrOf('booting', 'MCP_X', how), { status: 1, stderr: /^the sentence\n$/ }, how)
})

t.test('any other error, and one of a server that serves, is told as Node tells it', async (t) => {
  for (const [boot, code] of [['booting', 'ENOENT'], ['served', 'MCP_X']] as const) {
    t.match(stderrOf(boot, code, 'rejected'), { status: 1, stderr: /Error: the sentence\n {4}at [^]*code: '/ }, boot)
    t.match(stderrOf(boot, code, 'listened to').stderr, /^listener\n$/)
  }
})
