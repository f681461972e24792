import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'
import { buildServer } from '../helpers/server-process.ts'

// S7 in short; npm run prove:crossings makes a million calls.
t.test('clients that use the same ids at the same time, and leave at random, see nothing of each other', async (t) => {
  const out = buildServer(t, 'prove/tsconfig.json')
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(out, 'prove/crossings.js'), '--calls', '2000', '--clients', '50'], { encoding: 'utf8' })
  t.equal(status, 0, stderr)
  t.match(stdout, /^2000 calls of 50 clients: \{.*"ok":\d+.*\}; 0 crossings$/m)
})
