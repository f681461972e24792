import type { AddressInfo } from 'node:net'
import t from 'tap'
import { fuzz } from '../../prove/hostile/fuzz.ts'
import { createRandom } from '../../prove/hostile/random.ts'
import { converse, faultInConversation } from '../../prove/hostile/raw.ts'
import { createTarget } from '../../prove/hostile/target.ts'
import { migratedDatabase } from '../helpers/postgres.ts'
import { insertSampleRecords } from '../helpers/records.ts'

// S10, the short variant of `npm run prove:hostile`; HOSTILE_SEED repeats a run.
const seed = Number(process.env.HOSTILE_SEED ?? Math.floor(Math.random() * 2 ** 31))
const inputs = 2000
const conversations = 200

const url = await migratedDatabase(t)
await insertSampleRecords(url)
const errors: string[] = []
const app = await createTarget(url, (line) => { if (JSON.parse(line).level >= 50) errors.push(line) })
t.teardown(async () => { await app.close() })
await app.listen({ host: '127.0.0.1', port: 0 })
const { port } = app.server.address() as AddressInfo

t.test('hostile requests are answered as JSON-RPC, without a crash, a hang or a word about the inside', async (t) => {
  const { findings, statuses, signatures } = await fuzz({ app, seed, inputs })

  t.comment(`seed ${seed}, ${signatures} kinds of answers, ${JSON.stringify(statuses)}`)
  t.same(findings, [], `seed ${seed}`)
  t.same(errors, [], 'what a client sends is never logged as an error of the server')
  for (const status of [200, 202, 400, 403, 404, 405, 415]) t.ok((statuses[status] ?? 0) > 0, `some are answered ${status}`)
})

t.test('hostile bytes end in an answer or a closed connection, and the server goes on', async (t) => {
  const random = createRandom(seed)
  for (let done = 0; done < conversations; done++) {
    const conversation = converse(random)
    const fault = await faultInConversation(port, conversation)
    if (fault !== undefined) t.fail(`${fault}: ${conversation.bytes.toString('base64')} (seed ${seed})`)
  }
  t.equal((await fetch(`http://127.0.0.1:${port}/readyz`)).status, 200)
})

t.test('what fails outside the endpoint is refused without the framework\'s words', async (t) => {
  const json = { 'content-type': 'application/json' }
  for (const [method, url, payload, status, error] of [
    ['POST', '/%', '{}', 400, 'The URL is not valid'],
    ['OPTIONS', '/mcp', '{', 400, 'The request is not valid'],
    ['POST', '/nope', '{"__proto__":1}', 400, 'The request is not valid'],
    ['POST', '/nope', '{}', 404, 'Not found; the MCP endpoint is POST /mcp']
  ] as const) {
    const answer = await app.inject({ method, url, payload, headers: json })
    t.equal(answer.statusCode, status, url)
    t.same(answer.json(), { error }, url)
  }
})
