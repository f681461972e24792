import { SpanKind, SpanStatusCode } from '@opentelemetry/api'
import t from 'tap'
import { catalogue } from '../../src/metrics.ts'
import { rpcRequest } from '../helpers/mcp-client.ts'
import { canary, observedApp } from '../helpers/observed-app.ts'

const trace = { id: '0af7651916cd43dd8448eb211c80319c', span: 'b7ad6b7169203331' }
const meta = { traceparent: `00-${trace.id}-${trace.span}-01` }
const capable = { ...meta, 'io.modelcontextprotocol/clientCapabilities': { elicitation: { form: {} } } }

interface Ending { outcome: string, tool: string, args?: object, errorType?: string, code?: string, _meta?: object, label?: string }

const endings: Ending[] = [
  { outcome: 'ok', tool: 'test_ok' },
  { outcome: 'input_required', tool: 'test_asks', _meta: capable },
  { outcome: 'tool_error', tool: 'test_refuses', errorType: 'tool_error' },
  { outcome: 'tool_error', tool: 'test_asks', errorType: '-32021', code: '-32021' }, // a client that can't be asked
  { outcome: 'invalid', tool: 'test_ok', args: { text: 1 }, errorType: 'tool_error' },
  { outcome: 'unknown', tool: `${canary}_tool`, label: '_OTHER', code: '-32602' },
  { outcome: 'denied', tool: 'test_denied', code: '-32602' },
  { outcome: 'limited', tool: 'test_once', errorType: 'tool_error' },
  { outcome: 'unavailable', tool: 'test_no_database', errorType: 'tool_error' },
  { outcome: 'timeout', tool: 'test_slow', errorType: 'tool_error' },
  { outcome: 'withheld', tool: 'test_large', errorType: 'tool_error' },
  { outcome: 'error', tool: 'test_fails', errorType: 'tool_error' }
]

for (const { outcome, tool, args = { text: canary }, errorType, code, _meta = meta, label = tool } of endings) {
  t.test(`a call that ends as ${outcome} (${errorType ?? code ?? 'no error'}) is one call, one duration, one span, one log line`, async (t) => {
    const { client, collected, log } = await observedApp(t)
    if (tool === 'test_once') {
      await client.call(tool)
      collected.forget()
      log.length = 0
    }
    const { headers, body } = rpcRequest('tools/call', { name: tool, arguments: args, _meta }, { id: 'request-1' })
    await client.post(body, headers)

    const here = ({ attributes }: { attributes: Record<string, unknown> }): boolean => attributes.outcome === outcome
    const isFailure = outcome !== 'ok' && outcome !== 'input_required'
    t.match(await collected.points('mcp.tool.calls').then((points) => points.filter(here)), [{ value: 1, attributes: { tool: label, outcome, 'principal.kind': 'anonymous' } }])
    t.match(await collected.points('mcp.tool.duration').then((points) => points.filter(here)), [{ value: { count: 1 }, attributes: { tool: label, outcome } }])
    t.equal((await collected.points('mcp.tool.errors')).filter(here).length, isFailure ? 1 : 0)
    const operation = (await collected.points('mcp.server.operation.duration')).filter(({ attributes }) => attributes['error.type'] === errorType && attributes['rpc.response.status_code'] === code)
    t.match(operation, [{ value: { count: 1 }, attributes: { 'mcp.method.name': 'tools/call', 'gen_ai.tool.name': label, 'gen_ai.operation.name': 'execute_tool', 'mcp.protocol.version': '2026-07-28', 'network.transport': 'tcp', 'network.protocol.name': 'http' } }])

    const http = await collected.untilSpan(({ name }) => name === 'POST /mcp')
    const spans = collected.spans().filter(({ attributes }) => attributes['mcp.method.name'] !== undefined)
    t.equal(spans.length, 1)
    const [span] = spans as [typeof http]
    const [line] = log.filter(({ msg }) => msg === 'tool call') as [Record<string, unknown>]
    t.equal(log.filter(({ msg }) => msg === 'tool call').length, 1)
    t.match(line, { outcome, tool: label, principal: 'anonymous', durationMs: Number })
    t.match(span, { name: label === '_OTHER' ? 'tools/call' : `tools/call ${tool}`, kind: SpanKind.SERVER, status: { code: errorType === undefined ? SpanStatusCode.UNSET : SpanStatusCode.ERROR } })
    t.match(span.attributes, { 'gen_ai.tool.name': label, 'gen_ai.operation.name': 'execute_tool', 'jsonrpc.request.id': 'request-1', 'mcp.protocol.version': '2026-07-28', 'portcullis.call.id': line.call, 'portcullis.outcome': outcome })
    t.equal(span.attributes['error.type'], errorType)
    t.equal(span.attributes['rpc.response.status_code'], code)
    t.notOk('mcp.session.id' in span.attributes, 'this era has no sessions')
    t.equal(span.spanContext().traceId, trace.id, 'the trace of the client')
    t.equal(span.parentSpanContext?.spanId, trace.span)
    t.same(span.links.map(({ context }) => context.spanId), [http.spanContext().spanId], 'linked to the request')
    t.notMatch(JSON.stringify(collected.spans().map(({ name, attributes, events, status }) => ({ name, attributes, events, status }))), canary, 'nothing of arguments, results and unknown names in spans')
    t.notMatch(JSON.stringify(await Promise.all(Object.values(catalogue).map(async ({ name }) => await collected.points(name)))), canary)
  })
}

for (const era of ['modern', 'legacy'] as const) {
  t.test(`a tools/call that names no tool is a call too (${era})`, async (t) => {
    const { client, collected, log } = await observedApp(t)
    for (const params of [{}, { name: 5 }]) t.match(await client.request('tools/call', { ...params, arguments: { text: canary } }, { era }), { message: { error: { code: Number } } })
    t.match(await collected.points('mcp.tool.calls'), [{ value: 2, attributes: { tool: '_OTHER', outcome: 'invalid' } }])
    t.match(await collected.points('mcp.tool.duration'), [{ value: { count: 2 } }])
    t.match(await collected.points('mcp.server.operation.duration'), [{ value: { count: 2 }, attributes: { 'mcp.method.name': 'tools/call', 'rpc.response.status_code': '-32602' } }])
    t.match(collected.spans().filter(({ name }) => name === 'tools/call').map(({ attributes }) => attributes['portcullis.outcome']), ['invalid', 'invalid'])
    t.equal(log.filter(({ msg, outcome, reason }) => msg === 'tool call' && outcome === 'invalid' && reason === 'malformed').length, 2)
  })
}
