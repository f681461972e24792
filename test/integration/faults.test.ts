import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'
import { buildServer } from '../helpers/server-process.ts'

// R4 in short; npm run prove:faults takes thirteen times as many. How soon it serves again is the proof's to say: ten times its limit here.
t.test('whatever happens to the database, the process lives and serves again by itself', async (t) => {
  const out = buildServer(t, 'prove/tsconfig.json')
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(out, 'prove/faults.js'), '--cycles', '8', '--limit', '5000'], { encoding: 'utf8' })
  t.equal(status, 0, stderr)
  t.match(stdout, /^8 cycles, .*; the process lived; 0 faults$/m)
})
