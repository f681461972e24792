import t from 'tap'
import { catalogue, createMetrics, type Metric } from '../../src/metrics.ts'
import { metricsTable } from '../../src/metrics-table.ts'

const all: Metric[] = Object.values(catalogue)

t.test('each metric has a name of its own, in the form of the conventions, and says what it tells', async (t) => {
  t.equal(new Set(all.map(({ name }) => name)).size, all.length)
  for (const { name, unit, description, kind, buckets } of all) {
    t.match(name, /^[a-z][a-z0-9_]*(\.[a-z0-9_]+)+$/)
    t.match(unit, /^(s|ms|By|1|\{[a-z]+\})$/, name)
    t.ok(description.length > 10, name)
    t.equal(buckets !== undefined, kind === 'histogram', `${name}: buckets belong to histograms`)
    if (buckets !== undefined) t.same([...buckets], [...buckets].sort((a, b) => a - b), name)
  }
})

t.test('the contract keeps its four names and their units', async (t) => {
  t.match(catalogue, {
    toolCalls: { name: 'mcp.tool.calls', kind: 'counter', attributes: ['tool'] },
    toolErrors: { name: 'mcp.tool.errors', kind: 'counter', attributes: ['tool'] },
    toolDuration: { name: 'mcp.tool.duration', kind: 'histogram', unit: 'ms', attributes: ['tool'] },
    poolSize: { name: 'mcp.db.pool_size', kind: 'observableGauge' }
  })
})

t.test('without an SDK the instruments do nothing', async (t) => {
  const metrics = createMetrics()
  t.same(Object.keys(metrics), Object.keys(catalogue))
  t.doesNotThrow(() => { metrics.toolCalls.add(1, { tool: 'echo' }) })
})

t.test('the table of the docs has a row for each', async (t) => {
  const lines = metricsTable(catalogue).trim().split('\n')
  t.equal(lines.length, all.length + 2)
  t.match(lines[2], '| `mcp.tool.calls` | counter, {call} |')
})
