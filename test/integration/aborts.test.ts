import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'
import { buildServer } from '../helpers/server-process.ts'

// KS5 in short; npm run prove:aborts ends ten thousand calls early.
t.test('calls that end at random moments leave nothing at work, nothing dirty and nobody else cancelled', async (t) => {
  const out = buildServer(t, 'prove/tsconfig.json')
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(out, 'prove/aborts.js'), '--aborts', '500'], { encoding: 'utf8' })
  t.equal(status, 0, stderr)
  t.match(stdout, /^5\d\d calls ended early beside \d+ that were served.*; 0 faults$/m)
})
