import type { Attributes } from '@opentelemetry/api'
import type { Metrics } from '../metrics.ts'
import type { Attempt } from './attempt.ts'
import type { Outcome, Settled } from './outcome.ts'
import { faultOfCall, toolName } from './semconv.ts'

type CallMetrics = Pick<Metrics, 'toolCalls' | 'toolErrors' | 'toolDuration' | 'operationDuration'>

/** One call counted, one duration, whatever the outcome. Attributes are made once for each set of values, of which there are few. */
export function createCallMetrics ({ toolCalls, toolErrors, toolDuration, operationDuration }: CallMetrics): (attempt: Attempt, settled: Settled, ms: number) => void {
  const ends = new Map<string, Map<Outcome, Attributes>>()
  const calls = new Map<Attributes, Map<string, Attributes>>()
  const operations = new Map<Attributes, Map<string, Attributes>>()

  return (attempt, settled, ms) => {
    const { outcome } = settled
    const tool = toolName(attempt)
    const end = made(made(ends, tool, () => new Map<Outcome, Attributes>()), outcome, () => ({ tool, outcome }))
    toolCalls.add(1, made(made(calls, end, () => new Map<string, Attributes>()), attempt.principal.kind, (kind) => ({ tool, outcome, 'principal.kind': kind })))
    if (outcome !== 'ok' && outcome !== 'input_required') toolErrors.add(1, end)
    toolDuration.record(ms, end)

    const { type, code } = faultOfCall(attempt, settled)
    const version = attempt.protocolVersion ?? ''
    operationDuration.record(ms / 1000, made(made(operations, end, () => new Map<string, Attributes>()), code === undefined ? version : `${version} ${code}`, () => operationAttributes(tool, version, type, code)))
  }
}

function operationAttributes (tool: string, version: string, type?: string, code?: string): Attributes {
  return {
    'mcp.method.name': 'tools/call',
    'gen_ai.tool.name': tool,
    'gen_ai.operation.name': 'execute_tool',
    'network.transport': 'tcp',
    'network.protocol.name': 'http',
    ...version === '' ? {} : { 'mcp.protocol.version': version },
    ...type === undefined ? {} : { 'error.type': type },
    ...code === undefined ? {} : { 'rpc.response.status_code': code }
  }
}

function made<K, V> (map: Map<K, V>, key: K, make: (key: K) => V): V {
  let value = map.get(key)
  if (value === undefined) map.set(key, value = make(key))
  return value
}
