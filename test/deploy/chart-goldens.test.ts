import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { chart, renderText, scenarioFile, scenarios, whyNoHelm } from '../helpers/chart.ts'

// npm run chart:goldens writes what this test compares with; look at the difference before you commit it.
const folder = join(chart, 'tests/golden')
const isUpdate = process.env.UPDATE_GOLDENS === '1'
const newest = (name: string): string => join(folder, `${name}.yaml`)
/** Only where the oldest supported version renders something else. */
const oldest = (name: string): string => join(folder, `${name}.k8s-1.30.yaml`)

/** What is long and has a test of its own stands there as a digest. */
function shortened (text: string): string {
  return text.replace(/^( {2}portcullis-\w[\w-]*\.json): \|\n(?: {4}.*\n|\n)+/gm, (whole: string, key: string) => `${key}: sha256 ${createHash('sha256').update(whole).digest('hex')}\n`)
}

t.test('each scenario renders what it rendered when somebody last looked', { skip: whyNoHelm }, async (t) => {
  for (const name of scenarios) {
    const at = (kubeVersion: string): string => shortened(renderText(scenarioFile(name), { kubeVersion }))
    const [now, before] = [at('1.36.0'), at('1.30.0')]
    if (isUpdate) update(name, now, before)
    t.equal(now, readFileSync(newest(name), 'utf8'), name)
    t.equal(before, readFileSync(existsSync(oldest(name)) ? oldest(name) : newest(name), 'utf8'), `${name} on 1.30`)
  }
})

t.test('there is no file without a scenario', async (t) => {
  const known = new Set(scenarios.flatMap((name) => [newest(name), oldest(name)]))
  t.same(readdirSync(folder).filter((file) => !known.has(join(folder, file))), [])
})

t.test('a changed value shows', { skip: whyNoHelm }, async (t) => {
  t.not(shortened(renderText(scenarioFile('ingress'))), readFileSync(newest('gateway'), 'utf8'))
  t.not(shortened('  portcullis-a.json: |\n    {"a": 1}\n'), shortened('  portcullis-a.json: |\n    {"a": 2}\n'), 'in a dashboard, too')
})

function update (name: string, now: string, before: string): void {
  writeFileSync(newest(name), now)
  if (before === now) rmSync(oldest(name), { force: true })
  else writeFileSync(oldest(name), before)
}
