import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import t from 'tap'
import { parse, stringify } from 'yaml'
import { promtool, whyNoPrometheus } from '../helpers/prometheus.ts'
import { measuresIn } from '../helpers/promql.ts'

interface Rule { alert?: string, record?: string, expr: string, labels?: Record<string, string>, annotations?: Record<string, string> }
interface Case { name: string, alert_rule_test: Array<{ alertname: string, exp_alerts: unknown[] }> }

const rulesFile = 'charts/portcullis/files/rules/portcullis.rules.yaml'
const testsFile = 'charts/portcullis/tests/portcullis.rules.test.yaml'
const readRules = (): { groups: Array<{ name: string, rules: Rule[] }> } => parse(readFileSync(rulesFile, 'utf8'))
const unitTests = parse(readFileSync(testsFile, 'utf8')) as { evaluation_interval: string, tests: Case[] }
const alerts = readRules().groups.flatMap(({ rules }) => rules).filter(({ alert }) => alert !== undefined)

const folder = mkdtempSync(join(tmpdir(), 'portcullis-rules-'))
t.teardown(() => { rmSync(folder, { recursive: true }) })

/** Whether the unit tests of one alert pass when that is what it says. */
function testsPassWith (alert: string, expr: string): boolean {
  const groups = readRules().groups.filter(({ rules }) => rules.some((rule) => rule.alert === alert))
  for (const rule of groups.flatMap(({ rules }) => rules)) if (rule.alert === alert) rule.expr = expr
  writeFileSync(join(folder, 'rules.yaml'), stringify({ groups }))
  writeFileSync(join(folder, 'tests.yaml'), stringify({ ...unitTests, rule_files: [resolve(folder, 'rules.yaml')], tests: unitTests.tests.filter((test) => test.alert_rule_test.some(({ alertname }) => alertname === alert)) }))
  return promtool('test', 'rules', join(folder, 'tests.yaml')).ok
}

t.test('the rules are valid and free of lint', { skip: whyNoPrometheus }, async (t) => {
  const { ok, output } = promtool('check', 'rules', '--lint=all', '--lint-fatal', rulesFile)
  t.ok(ok, output)

  writeFileSync(join(folder, 'broken.yaml'), readFileSync(rulesFile, 'utf8').replace('sum by (job) (rate(', 'sum by (job) rate('))
  t.notOk(promtool('check', 'rules', '--lint=all', '--lint-fatal', join(folder, 'broken.yaml')).ok, 'a broken one is noticed')
})

t.test('the unit tests of the alerts pass', { skip: whyNoPrometheus }, async (t) => {
  const { ok, output } = promtool('test', 'rules', testsFile)
  t.ok(ok, output)
})

for (const { alert = '', expr, labels, annotations } of alerts) {
  t.test(`${alert} has a severity, a runbook, and tests in which it fires and in which it does not`, async (t) => {
    t.match(labels?.severity, /^(critical|warning)$/)
    t.ok(annotations?.summary)
    t.ok(annotations?.description)
    t.equal(annotations?.runbook_url, `docs/runbooks/${alert}.md`)
    t.ok(existsSync(`docs/runbooks/${alert}.md`), 'the runbook exists')
    t.doesNotThrow(() => measuresIn(expr))

    const expected = unitTests.tests.flatMap(({ alert_rule_test: tests }) => tests).filter(({ alertname }) => alertname === alert).map(({ exp_alerts: alerts }) => alerts.length)
    t.ok(expected.some((count) => count > 0), 'it fires')
    t.ok(expected.includes(0), 'it does not fire')
  })

  t.test(`the tests of ${alert} notice when it never fires, when any value will do, and when a condition is gone`, { skip: whyNoPrometheus }, async (t) => {
    t.ok(testsPassWith(alert, expr), 'as it is they pass')
    t.notOk(testsPassWith(alert, `(${expr}) unless on () vector(1)`), 'it never fires')
    t.notOk(testsPassWith(alert, expr.replaceAll(/ > /g, ' > -1e9 + ').replaceAll(/ == /g, ' >= ')), 'any value will do')
    const [first = '', ...rest] = expr.split(/^(?=(?:and|unless)$)/m)
    for (const operand of rest) t.notOk(testsPassWith(alert, [first, ...rest.filter((other) => other !== operand)].join('')), `without ${operand}`)
    if (rest.length > 0) t.notOk(testsPassWith(alert, rest.join('').replace(/^(and|unless)$/m, '')), `without ${first}`)
  })
}

t.test('there is a runbook for nothing else', async (t) => {
  t.same(readdirSync('docs/runbooks').sort(), alerts.map(({ alert }) => `${alert}.md`).sort())
})

t.test('docs/observe.md lists every alert with its severity', async (t) => {
  const listed = [...readFileSync('docs/observe.md', 'utf8').matchAll(/^\| \[(\w+)\]\(runbooks\/\1\.md\) \|.*\| (\w+) \|$/gm)].map(([, alert, severity]) => [alert, severity])
  t.same(listed.sort(), alerts.map(({ alert, labels }) => [alert, labels?.severity]).sort())
})
