import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { freePort } from './server-process.ts'

/** Why there is no haproxy in front of anything here, or false. */
export const whyNoHaproxy: string | false = spawnSync('haproxy', ['-v']).error === undefined ? false : 'leg not run: haproxy is not installed; .ci/run installs it'

export interface LoadBalancer {
  url: string
  /** Waits until exactly so many servers are in rotation. */
  untilUp: (servers: number) => Promise<void>
}

/**
 * haproxy in front of servers, set up as an operator would: asks /readyz, takes a server out after two refusals, and sends a
 * request again only where the connection could not be made.
 */
export async function haproxy (t: Test, servers: string[], everyMs: number): Promise<LoadBalancer> {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-haproxy-'))
  const [port, statsPort] = [await freePort(), await freePort()]
  const config = join(folder, 'haproxy.cfg')
  writeFileSync(config, `
global
  maxconn 1000
defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 60s
  timeout http-keep-alive 60s
  timeout check 2s
  option redispatch
  retries 3
  retry-on conn-failure
frontend mcp
  bind 127.0.0.1:${port}
  default_backend portcullis
backend portcullis
  balance roundrobin
  option httpchk
  http-check send meth GET uri /readyz ver HTTP/1.1 hdr Host localhost
  http-check expect status 200
  default-server check inter ${everyMs}ms fall 2 rise 1
${servers.map((url, index) => `  server replica-${index} ${new URL(url).host}`).join('\n')}
frontend stats
  bind 127.0.0.1:${statsPort}
  stats enable
  stats uri /
`)
  const child = spawn('haproxy', ['-db', '-q', '-f', config], { stdio: ['ignore', 'ignore', 'pipe'] })
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => { errors += text })
  const exit = once(child, 'exit')
  t.teardown(async () => {
    child.kill('SIGTERM')
    await exit
    rmSync(folder, { recursive: true })
  })

  async function servingNow (): Promise<number> {
    if (child.exitCode !== null) throw new Error(`haproxy ended: ${errors}`)
    const table = await fetch(`http://127.0.0.1:${statsPort}/;csv`).then(async (answer) => await answer.text(), () => '')
    return table.split('\n').filter((line) => /^portcullis,replica-\d+,/.test(line) && line.split(',')[17] === 'UP').length
  }

  return {
    url: `http://127.0.0.1:${port}`,
    untilUp: async (count) => {
      for (const deadline = Date.now() + 60_000; await servingNow() !== count;) {
        if (Date.now() > deadline) throw new Error(`${await servingNow()} servers in rotation, not ${count}`)
      }
    }
  }
}
