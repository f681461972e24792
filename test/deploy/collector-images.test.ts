import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { parse } from 'yaml'
import { whyNoCollector } from '../helpers/collector.ts'
import { folderWith } from '../helpers/folder.ts'

const files = readdirSync('collector').filter((name) => name.endsWith('.yaml'))
const collector = execFileSync('scripts/tools/collector.sh', ['--where'], { encoding: 'utf8' }).trim()

/** docker, as far as the script needs it: file and variables of a container go to a collector of our own, with nothing else around; one that would start is ready when that finds its file good. */
const docker = `#!/usr/bin/env bash
printf '%s\\n' "$*" >> "$CALLS"
case $1 in
  logs) cat "$CALLS.log"; exit ;;
  inspect) echo false; exit ;;
  rm) exit ;;
esac
variables=() detached=no
while [ $# -gt 0 ]; do
  case $1 in
    --volume) file=\${2%%:*}; shift ;;
    --env) variables+=("$2"); shift ;;
    --detach) detached=yes ;;
  esac
  shift
done
overlay=()
[[ $file != *"$BROKEN" ]] || overlay=('--config=yaml:receivers::nobody: {}')
validate () { env -i "\${variables[@]}" "$COLLECTOR" validate "--config=file:$file" "\${overlay[@]}"; }
if [ $detached = yes ]; then { validate && echo 'Everything is ready.'; } > "$CALLS.log" 2>&1 || true; else validate; fi
`

function run (t: Test, broken = 'none'): { status: number | null, output: string, calls: string[] } {
  const folder = folderWith(t, { 'bin/docker': docker, calls: '' })
  chmodSync(join(folder, 'bin/docker'), 0o755)
  const env = { ...process.env, PATH: `${join(folder, 'bin')}:${process.env.PATH}`, CALLS: join(folder, 'calls'), COLLECTOR: collector, BROKEN: broken }
  const { status, stdout, stderr } = spawnSync('ci/collector/validate.sh', { encoding: 'utf8', env })
  return { status, output: stdout + stderr, calls: readFileSync(env.CALLS, 'utf8').trim().split('\n') }
}

t.test('each file goes to the image that runs it, of the version that compose and the chart name', { skip: whyNoCollector }, async (t) => {
  const { repository, tag } = parse(readFileSync('charts/portcullis/values.yaml', 'utf8')).adotSidecar.image
  const adot = `${repository}:${tag}`
  const contrib = parse(readFileSync('compose.yaml', 'utf8'), { merge: true }).services.otelcol.image

  const { status, output, calls } = run(t)
  t.equal(status, 0, output)
  const runs = calls.filter((call) => call.startsWith('run '))
  t.equal(runs.length, files.length)
  for (const [index, file] of files.entries()) {
    t.match(runs[index], /^run --read-only --network none /, file)
    t.ok(runs[index]?.includes(`/collector/${file}:/etc/otelcol/config.yaml:ro `), file)
    t.ok(runs[index]?.endsWith(` ${file.startsWith('adot-') ? adot : `${contrib} validate`} --config=/etc/otelcol/config.yaml`), file)
  }
  t.same(calls.filter((call) => call.startsWith('rm ')), ['rm --force collector'], 'what was started is ended')
})

t.test('a file that its image refuses ends the job, whether it validates or starts', { skip: whyNoCollector }, async (t) => {
  for (const file of ['adot-aws.yaml', 'otelcol-gateway.yaml']) {
    const { status, output, calls } = run(t, file)
    t.equal(status, 1, file)
    t.match(output, /unknown type: "nobody"/)
    t.match(calls.filter((call) => call.startsWith('run ')).at(-1), file, 'the last that was run')
  }
})
