import { readFileSync } from 'node:fs'
import { Ajv2020 } from 'ajv/dist/2020.js'
import t from 'tap'
import { parse } from 'yaml'
import { parseAllowlist } from '../../src/allowlist.ts'

const accepts = new Ajv2020({ allErrors: true }).compile(JSON.parse(readFileSync('config/allowlist.schema.json', 'utf8')))

t.test('the published schema and the server agree on what is a policy', async (t) => {
  const policies = [
    'allowed_tools: []', 'allowed_tools: [a_b]', 'allowed_tools: a', 'allowed_tools: [1]', 'allowed_tools:', '{}', '[]', 'a', '5', 'allowed_tools: []\nroles: {}', 'tools: []', 'roles:', 'roles: {}', 'roles: []',
    'roles: { r: { allow: [] } }', 'roles: { r: { allow: ["get_*", "*"], deny: [a] } }', 'roles: { r: { deny: [a] } }', 'roles: { r: {} }', 'roles: { r: [a] }', 'roles: { r: { allow: [A] } }', 'roles: { r: { allow: ["a b"] } }',
    'roles: { r: { allow: [1] } }', 'roles: { r: { allow: [""] } }', 'roles: { r: { allow: [a], limits: {} } }', 'roles: { "a b": { allow: [a] } }', 'roles: { "": { allow: [a] } }', 'roles: { r: { allow: [_a] } }', 'roles: { r: { allow: ["*_a*b"] } }', readFileSync('config/allowlist.yaml', 'utf8'),
    ...['{}', '[]', '', '5', '{ perMinute: 5, attemptsPerMinute: 0, concurrency: 1, queue: 0, timeoutMs: 1, resultBytes: 1, bodyBytes: 1 }', '{ bodyBytes: 0 }', '{ perMinute: -1 }', '{ perMinute: 1.5 }', '{ perMinute: "5" }', '{ concurrency: 0 }', '{ timeoutMs: 0 }', '{ burst: 1 }', '{ tools: {} }', '{ tools: { a: { perMinute: 5, concurrency: 1, timeoutMs: 1, resultBytes: 1 } } }', '{ tools: { a: { queue: 1 } } }', '{ tools: { a: 5 } }', '{ tools: [a] }', '{ tools: { a: { concurrency: 0 } } }']
      .flatMap((limits) => [`allowed_tools: []\nlimits: ${limits}`, `roles: { r: { allow: [a], limits: ${limits === '' ? 'null' : limits} } }`, `limits: ${limits}`])
  ]
  for (const text of policies) t.equal(accepts(parse(text)), isPolicy(text), text)
})

function isPolicy (text: string): boolean {
  try {
    parseAllowlist(text, 'x')
    return true
  } catch {
    return false
  }
}
