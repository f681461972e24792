import { SpanKind, SpanStatusCode, type Attributes, type Tracer } from '@opentelemetry/api'
import type { JSONRPCMessage, McpServer } from '@modelcontextprotocol/server'
import type { Metrics } from '../metrics.ts'
import { faultOf, methodName, type Fault } from './semconv.ts'
import { placeOf, traceOf } from './trace-context.ts'

export interface OperationParts { operationDuration: Metrics['operationDuration'], tracer?: Tracer }

type Id = string | number

/** Times every request that the protocol server answers, but tools/call: the pipeline does those, which knows how they ended. */
export function watchOperations ({ server }: McpServer, { operationDuration, tracer }: OperationParts, version?: string): void {
  const connect = server.connect.bind(server)
  server.connect = async (transport) => {
    const ends = new Map<Id, (fault: Fault) => void>()
    const send = transport.send.bind(transport)
    transport.send = async (message, options) => {
      if ('id' in message && !('method' in message)) {
        ends.get(message.id as Id)?.('error' in message ? faultOf(message.error.code) : {})
        ends.delete(message.id as Id)
      }
      await send(message, options)
    }
    await connect(transport)

    const receive = transport.onmessage
    transport.onmessage = (message: JSONRPCMessage, extra) => {
      if ('id' in message && 'method' in message && message.method !== 'tools/call') ends.set(message.id, begin(methodName(message.method), message.params?._meta))
      receive?.(message, extra)
    }
    const closed = transport.onclose
    transport.onclose = () => {
      for (const end of ends.values()) end({ type: 'cancelled' })
      ends.clear()
      closed?.()
    }
  }

  function begin (method: string, meta: unknown): (fault: Fault) => void {
    const startedAt = performance.now()
    const known: Attributes = { 'mcp.method.name': method, 'network.transport': 'tcp', 'network.protocol.name': 'http', ...version === undefined ? {} : { 'mcp.protocol.version': version } }
    const place = tracer === undefined ? undefined : placeOf(traceOf(meta))
    const span = tracer?.startSpan(method, { kind: SpanKind.SERVER, attributes: known, links: place?.links }, place?.parent)
    return ({ type, code }) => {
      const found = { ...type === undefined ? {} : { 'error.type': type }, ...code === undefined ? {} : { 'rpc.response.status_code': code } }
      operationDuration.record((performance.now() - startedAt) / 1000, { ...known, ...found })
      span?.setAttributes(found)
      if (type !== undefined) span?.setStatus({ code: SpanStatusCode.ERROR })
      span?.end()
    }
  }
}
