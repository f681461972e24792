import t from 'tap'
import { createCallMetrics } from '../../../src/mcp/call-metrics.ts'
import { createCallTelemetry } from '../../../src/mcp/call-telemetry.ts'
import { createMetrics } from '../../../src/metrics.ts'
import { attemptOn, compiledTool, pipelineOf } from '../../helpers/attempt.ts'
import { collecting } from '../../helpers/telemetry.ts'

type Line = Record<string, unknown>

function told (): { log: any, lines: Array<[level: string, fields: Line]> } {
  const lines: Array<[string, Line]> = []
  return { lines, log: new Proxy({}, { get: (_log, level) => (fields: Line) => { lines.push([String(level), fields]) } }) }
}

t.test('a call that the kill switch stops is one call, an error with its own code', async (t) => {
  const collected = collecting(t)
  const { log, lines } = told()
  const telemetry = createCallTelemetry({ log, record: createCallMetrics(createMetrics()) })
  const { callTool } = pipelineOf({ telemetry, killSwitch: { enter: () => ({ outcome: 'killed', reason: 'operator' }) } })
  t.match(await callTool(attemptOn(compiledTool())), { outcome: 'killed' })
  t.match(lines, [['warn', { tool: 'echo', outcome: 'killed', reason: 'operator', durationMs: Number }]])
  t.match(await collected.points('mcp.tool.calls'), [{ value: 1, attributes: { tool: 'echo', outcome: 'killed' } }])
  t.match(await collected.points('mcp.tool.errors'), [{ value: 1 }])
  t.match(await collected.points('mcp.tool.duration'), [{ value: { count: 1 } }])
  t.match(await collected.points('mcp.server.operation.duration'), [{ attributes: { 'error.type': '4003', 'rpc.response.status_code': '4003' } }])
})

t.test('without telemetry a tool works, and its error is the one it threw', async (t) => {
  const { log, lines } = told()
  const telemetry = createCallTelemetry({ log, record: createCallMetrics(createMetrics()) })
  t.match(await pipelineOf({ telemetry }).callTool(attemptOn(compiledTool(), { args: { text: 'x' } })), { outcome: 'ok', text: '{"text":"x"}' })
  await pipelineOf({ telemetry }).callTool(attemptOn(compiledTool({ handler: async () => { throw new RangeError('too far') } })))
  t.match(lines, [['info', { outcome: 'ok' }], ['error', { outcome: 'error', cause: { type: 'RangeError', message: 'too far' } }]])
})

t.test('what can\'t be looked at is told as that, once', async (t) => {
  const { log, lines } = told()
  const hostile = new Proxy(new Error('x'), { get: () => { throw new Error('no') }, getPrototypeOf: () => { throw new Error('no') } })
  const telemetry = createCallTelemetry({ log, record: createCallMetrics(createMetrics()) })
  t.match(await pipelineOf({ telemetry }).callTool(attemptOn(compiledTool({ handler: async () => { throw hostile } }))), { outcome: 'error' })
  t.match(lines, [['error', { outcome: 'error', cause: { type: 'what was thrown can\'t be described' } }]])
})
