import t from 'tap'
import { objectsIn, scenarioObjects, scenarios, scenarioText, whyNoHelm } from '../helpers/chart.ts'
import { present, references } from '../helpers/chart-rules/references.ts'
import { release } from '../helpers/chart-rules/release.ts'
import { restricted } from '../helpers/chart-rules/restricted.ts'
import { server } from '../helpers/chart-rules/server.ts'
import type { Rule } from '../helpers/chart-rules/objects.ts'
import { mistakes } from '../helpers/chart-mistakes.ts'

/** What somebody else makes, where no source of secrets is named or other objects are. */
const external: Record<string, string[]> = {
  'existing-secret': ['Secret portcullis-credentials', 'Secret portcullis-owner'],
  oauth: ['Secret portcullis-oauth'],
  'key-vault': ['ConfigMap database-ca'],
  'all-on': ['Secret gate-api-keys']
}
const theOneSecret = ['Secret portcullis-secrets']
const makesSecrets = ['all-on', 'existing-secret', 'external-secrets', 'key-vault', 'migrations-init', 'oauth', 'prod', 'secret-create']

const rules: Record<string, Rule> = { ...restricted, ...references, ...release, ...server }
const presentIn = (name: string): Rule => present(external[name] ?? (makesSecrets.includes(name) ? [] : theOneSecret))

t.test('no scenario breaks a rule', { skip: whyNoHelm }, async (t) => {
  for (const name of scenarios) {
    for (const [rule, check] of Object.entries({ ...rules, present: presentIn(name) })) t.same(check(scenarioObjects(name)), [], `${name}: ${rule}`)
  }
})

t.test('each rule finds the mistake that it is for', { skip: whyNoHelm }, async (t) => {
  for (const { rule, scenario = 'default', change, complaint } of mistakes) {
    const objects = objectsIn(scenarioText(scenario))
    const changed = change(objects) ?? objects
    const check = rule === 'present' ? presentIn(scenario) : rules[rule] as Rule
    t.match(check(changed).join('\n'), complaint, rule)
  }
  t.same([...Object.keys(rules), 'present'].filter((name) => !mistakes.some(({ rule }) => rule === name)), [], 'no rule is left out')
})
