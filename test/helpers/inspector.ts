import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Test } from 'tap'
import type { Connect } from './clients.ts'
import type { Era } from './mcp-client.ts'

const cli = resolve(import.meta.dirname, '../../node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js')

/**
 * The MCP Inspector's command line as a client: one process a request, which its signal ends as Ctrl-C would.
 * Progress is not reported: the command line asks for none and prints none.
 */
export function inspector (t: Test, era: Era): Connect {
  const home = mkdtempSync(join(tmpdir(), 'portcullis-inspector-')) // it writes to the home folder
  t.teardown(() => { rmSync(home, { recursive: true, force: true }) })

  return async (url, headers = {}) => {
    const run = async (args: string[], signal?: AbortSignal): Promise<any> => {
      const given = Object.entries(headers).flatMap(([name, value]) => ['--header', `${name}: ${value}`])
      const child = spawn(process.execPath, [cli, '--cli', `${url}/mcp`, ...given, '--protocol-era', era, '--format', 'json', '--quiet', '--stored-auth-only', ...args],
        { env: { PATH: process.env.PATH, HOME: home }, stdio: ['ignore', 'pipe', 'pipe'], signal })
      const failed = new Promise<never>((_resolve, reject) => { child.once('error', reject) })
      const [stdout, stderr] = await Promise.race([Promise.all([text(child.stdout), text(child.stderr)]), failed])
      // a tool error is printed like a result, and told again on stderr
      if (stdout !== '') return JSON.parse(stdout).result
      const { code, message } = JSON.parse(stderr).error
      throw Object.assign(new Error(message), { code })
    }
    return {
      era,
      list: async () => (await run(['--method', 'tools/list'])).tools.map(({ name }: { name: string }) => name),
      call: async (name, args, { signal } = {}) => await run(['--method', 'tools/call', '--tool-name', name, '--tool-args-json', JSON.stringify(args)], signal),
      close: async () => {}
    }
  }
}
