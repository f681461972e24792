import { SpanKind, SpanStatusCode, type Attributes, type Tracer } from '@opentelemetry/api'
import type { JSONRPCMessage, McpServer } from '@modelcontextprotocol/server'
import type { Metrics } from '../metrics.ts'
import { faultOf, methodName, type Fault } from './semconv.ts'
import { placeOf, traceOf } from './trace-context.ts'

export interface OperationParts { metrics: Pick<Metrics, 'operationDuration'>, tracer?: Tracer }

export interface Operations {
  /** Times what a protocol server answers, but tools/call: the pipeline does those, which knows how they ended. */
  watch: (mcp: McpServer, version?: string) => void
  /** A request has come; what it returns ends it. */
  begin: (method: string, version?: string, meta?: unknown) => (fault: Fault) => void
}

/** Spans and durations of the requests of the protocol: opentelemetry.io/docs/specs/semconv/gen-ai/mcp. */
export function createOperations ({ metrics: { operationDuration }, tracer }: OperationParts): Operations {
  const begin: Operations['begin'] = (method, version, meta) => {
    const startedAt = performance.now()
    const name = methodName(method)
    const known: Attributes = { 'mcp.method.name': name, 'network.transport': 'tcp', 'network.protocol.name': 'http', ...version === undefined ? {} : { 'mcp.protocol.version': version } }
    const place = tracer === undefined ? undefined : placeOf(traceOf(meta))
    const span = tracer?.startSpan(name, { kind: SpanKind.SERVER, attributes: known, links: place?.links }, place?.parent)
    return ({ type, code }) => {
      const found = { ...type === undefined ? {} : { 'error.type': type }, ...code === undefined ? {} : { 'rpc.response.status_code': code } }
      operationDuration.record((performance.now() - startedAt) / 1000, { ...known, ...found })
      span?.setAttributes(found)
      if (type !== undefined) span?.setStatus({ code: SpanStatusCode.ERROR })
      span?.end()
    }
  }

  return {
    begin,
    watch: ({ server }, version) => {
      const connect = server.connect.bind(server)
      server.connect = async (transport) => {
        const ends = new Map<unknown, (fault: Fault) => void>()
        const send = transport.send.bind(transport)
        transport.send = async (message, options) => {
          if ('id' in message && !('method' in message)) {
            ends.get(message.id)?.('error' in message ? faultOf(message.error.code) : {})
            ends.delete(message.id)
          }
          await send(message, options)
        }
        await connect(transport)

        const { onmessage, onclose } = transport
        transport.onmessage = (message: JSONRPCMessage, extra) => {
          if ('id' in message && 'method' in message && message.method !== 'tools/call') ends.set(message.id, begin(message.method, version, message.params?._meta))
          onmessage?.(message, extra)
        }
        transport.onclose = () => {
          for (const end of ends.values()) end({ type: 'cancelled' })
          onclose?.()
        }
      }
    }
  }
}
