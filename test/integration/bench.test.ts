import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { casesOn, type Case } from '../../bench/cases.ts'
import { checkAnswers, fire } from '../../bench/fire.ts'
import { checkGates } from '../../bench/gates.ts'
import { readOptions } from '../../bench/options.ts'
import { summarise, type Report, type Spread } from '../../bench/report.ts'
import { seed } from '../../src/seed.ts'
import { allowing } from '../helpers/allowlist.ts'
import { migratedDatabase } from '../helpers/postgres.ts'
import { buildServer } from '../helpers/server-process.ts'

const out = buildServer(t, 'bench/tsconfig.json')
const url = await migratedDatabase(t)
await seed(url, 100)

/** Runs the benchmark as a process, as short as it can be. */
async function bench (...args: string[]): Promise<{ code: number | null, stdout: string, stderr: string }> {
  return await new Promise((resolve) => {
    const child = execFile(process.execPath, [join(out, 'bench/index.js'), '--database-url', url, '--rounds', '1', '--requests', '32', ...args], (_error, stdout, stderr) => {
      resolve({ code: child.exitCode, stdout, stderr })
    })
  })
}

const isRefusal = (name: string): boolean => ['denied', 'unknown', 'limited', 'refused'].includes(name)
const isObserved = (name: string): boolean => ['echo-metered', 'echo-traced'].includes(name)
const isSpread = ({ median, min, max }: Spread): boolean => min > 0 && min <= median && median <= max

t.test('a run reports CPU per request and ratios of every case', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-bench-test-'))
  t.teardown(() => { rmSync(folder, { recursive: true }) })

  const { code, stdout, stderr } = await bench('--json', join(folder, 'report.json'), '--max-ratio', 'echo=1000000')

  t.equal(code, 0, stderr)
  const { conditions, cases } = JSON.parse(readFileSync(join(folder, 'report.json'), 'utf8')) as Report
  t.match(conditions, { node: process.version, rounds: 1, requests: 32, postgres: /^\d+/ })
  t.same(cases.map(({ name }) => name), ['bare', 'echo', 'echo-legacy', 'echo-metered', 'echo-traced', 'echo-150', 'list-4', 'list-150', 'fastify-pg', 'lookup', 'denied', 'unknown', 'limited', 'refused'])
  for (const { name, cpu, ratios } of cases) {
    t.ok(isSpread(cpu), `${name}: ${JSON.stringify(cpu)}`)
    t.same(Object.keys(ratios), name === 'bare' ? [] : name === 'lookup' ? ['bare', 'fastify-pg'] : isRefusal(name) || isObserved(name) ? ['bare', 'echo'] : ['bare'])
    for (const ratio of Object.values(ratios)) t.ok(isSpread(ratio), `${name}: ${JSON.stringify(ratio)}`)
    t.match(stdout, new RegExp(`^\\| ${name} `, 'm'))
  }
})

t.test('a case that is answered with errors ends in a sentence and exit code 1, without figures', async (t) => {
  const { code, stdout, stderr } = await bench('--allowlist', allowing(t, 'search_records', 'get_record_detail', 'get_statistics'))

  t.equal(code, 1)
  t.match(stderr, /^echo: not the right answer, so there is nothing to measure: HTTP 200 .*Tool echo not found/)
  t.equal(stdout, '')
})

t.test('arguments that make no sense are refused before anything starts', async (t) => {
  for (const [args, text] of [
    [['--rounds', '0'], '--rounds must be'],
    [['--requests', '31'], '--requests must be'],
    [['--max-ratio', 'echo'], '--max-ratio must look like'],
    [['--max-ratio', 'nope=1'], 'nope/bare is not measured; there are echo/bare'],
    [['--max-ratio', 'echo/fastify-pg=1'], 'echo/fastify-pg is not measured'],
    [['--frobnicate'], 'Usage: npm run bench']
  ] as const) {
    t.throws(() => readOptions([...args]), { message: new RegExp(`${text}[^]*Usage: npm run bench`.replace(/^Usage.*/, 'Usage')) }, args.join(' '))
  }
})

t.test('an answer that turns wrong in the middle of a run ends it, whatever its status', async (t) => {
  const echo = casesOn([]).find(({ name }) => name === 'echo') as Case
  const text = 'the quick brown fox jumps over the lazy dog'
  const right = JSON.stringify({ result: { content: [{ text: JSON.stringify({ text }) }], structuredContent: { text } } })
  for (const [status, body, sentence] of [
    [200, '{"result":{"isError":true}}', /echo: an answer differs from the checked one: HTTP 200 .*isError/],
    [429, right, /echo: an answer differs from the checked one: HTTP 429/],
    [0, '', /echo: \d+ of 200 requests were answered \(\d+ connection errors/]
  ] as const) {
    let asked = 0
    const server = createServer((request, response) => {
      request.resume()
      if (++asked < 100) return response.end(right)
      if (status === 0) return request.socket.resetAndDestroy()
      response.writeHead(status).end(body)
    }).listen(0, '127.0.0.1')
    t.teardown(() => { server.close() })
    await once(server, 'listening')
    const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`

    const bodies = await checkAnswers(address, echo)
    await t.rejects(fire(address, echo, bodies, 200), { message: sentence })
  }
})

t.test('a ratio is the median over the median of the baseline, between those of single rounds', async (t) => {
  const cases = casesOn([]).filter(({ name }) => name === 'bare' || name === 'echo')
  const report = { cases: summarise(cases, new Map([['bare', [10, 20, 40, 20]], ['echo', [90, 100, 110, 120]]])) } as Report

  t.same(report.cases[1]?.cpu, { median: 105, min: 90, max: 120 })
  t.same(report.cases[1]?.ratios, { bare: { median: 5.25, min: 2.75, max: 9 } })
  t.doesNotThrow(() => { checkGates([{ name: 'echo', baseline: 'bare', max: 5.25 }], report.cases) })
  t.throws(() => { checkGates([{ name: 'echo', baseline: 'bare', max: 5 }], report.cases) }, { message: 'echo costs 5.25 times bare, more than --max-ratio allows (5)' })
})
