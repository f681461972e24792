import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'
import { callEveryTool } from '../helpers/call-every-tool.ts'
import { cancelCall } from '../helpers/cancel-call.ts'
import { sdkClients, type Progress } from '../helpers/clients.ts'
import { whyNotRun } from '../helpers/programs.ts'
import { twoServers } from '../helpers/two-servers.ts'

const run = promisify(execFile)
const { open, locked, key, records } = await twoServers(t)

for (const [name, connect] of Object.entries(sdkClients)) {
  t.test(`${name} calls every tool with an API key in either header, and nothing without`, async (t) => {
    await t.rejects(connect(locked.url), { message: /Send a valid API key|requires authorization \(HTTP 401\)/ })

    for (const [header, value] of [['Authorization', `Bearer ${key}`], ['X-API-Key', key]] as const) {
      const client = await connect(locked.url, { [header]: value })
      await callEveryTool(t, client, { records, moreTools: ['slow_count'] })
      await client.close()
    }
  })

  t.test(`${name} reads progress while the call runs`, async (t) => {
    const client = await connect(open.url)
    const seen: Progress[] = []
    const result = await client.call('slow_count', { to: 3, step_ms: 1 }, { onprogress: (progress) => { seen.push(progress) } })
    t.same(seen.map(({ progress, total, message }) => [progress, total, message]), [[1, 3, 'counted to 1'], [2, 3, 'counted to 2'], [3, 3, 'counted to 3']])
    t.same(result.structuredContent, { counted: 3 })

    const leave = new AbortController()
    const first = await new Promise<Progress>((resolve, reject) => {
      client.call('slow_count', { to: 2, step_ms: 600_000 }, { signal: leave.signal, onprogress: resolve }).then(() => { reject(new Error('it ended without progress')) }, reject)
    })
    t.match(first, { progress: 1, total: 2 }, 'it came ten minutes before the result would')
    leave.abort()
    await client.close()
  })

  t.test(`${name} cancels a call, and the next one is served`, async (t) => {
    const client = await connect(open.url)
    await cancelCall(t, client, open)

    const next = client.era === 'legacy' ? await connect(open.url) : client
    t.same((await next.call('slow_count', { to: 2, step_ms: 1 })).structuredContent, { counted: 2 })
    await next.close()
  })
}

const examples: Array<[file: string, run: string[], output: RegExp[]]> = [
  ['client.ts', ['npm', 'run', '-s', 'example:client', '--'], [
    /^Connected to \S+, revision 2026-07-28$/m,
    /^ {2}search_records: Search records$/m,
    /^\d+ records match "battery"$/m,
    /metadata: \{ site: \d+/
  ]],
  ['client.sh', ['sh', 'examples/client/client.sh'], [
    /what the server is\n\{"result":\{"supportedVersions":\["2026-07-28"\]/,
    /2026-07-28: its tools\n.*"name":"search_records".*"resultType":"complete"/,
    /search\n.*"structuredContent":\{"results":\[\{"id":"/,
    /first hit\n.*"structuredContent":\{"id":"[^"]+".*"metadata":\{"site":/,
    /hello\n.*"protocolVersion":"2025-11-25"/,
    /2025-11-25: its tools\n.*"name":"search_records"/,
    /counts\n.*"structuredContent":\{"group_by":"status","total":200,/
  ]]
]

for (const [file, [command, ...args], output] of examples) {
  t.test(`examples/client/${file} runs with a key and without one, and fails on a wrong one`, { skip: whyNotRun(file) }, async (t) => {
    const example = async (url: string, more: Record<string, string> = {}): Promise<string> =>
      (await run(command as string, [...args, `${url}/mcp`], { env: { PATH: process.env.PATH, ...more } })).stdout

    for (const text of [await example(open.url), await example(locked.url, { PORTCULLIS_API_KEY: key })]) {
      for (const part of output) t.match(text, part)
    }
    await t.rejects(example(locked.url, { PORTCULLIS_API_KEY: 'wrong' }), { message: /Send a valid API key/ })
  })
}
