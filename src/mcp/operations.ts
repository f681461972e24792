import { SpanKind, SpanStatusCode, type Attributes, type Tracer } from '@opentelemetry/api'
import type { JSONRPCMessage, McpServer } from '@modelcontextprotocol/server'
import type { Metrics } from '../metrics.ts'
import { faultOf, methodName, protocolVersion, type Fault } from './semconv.ts'
import { placeOf, traceOf } from './trace-context.ts'

export interface OperationParts { metrics: Pick<Metrics, 'operationDuration'>, tracer?: Tracer }

export interface WatchOptions {
  version?: string
  /** A tools/call was answered that never became an attempt, because it is malformed. */
  onMalformedCall: (id: string | number) => void
}

export interface Operations {
  /**
   * Times what a protocol server is asked, but tools/call: the pipeline does those, which knows how they ended.
   * @returns to be told which tools/call became an attempt
   */
  watch: (mcp: McpServer, options: WatchOptions) => { taken: (id: string | number) => void }
  /** A request has come; what it returns ends it. */
  begin: (method: string, version?: string, meta?: unknown) => (fault: Fault) => void
}

type End = (fault: Fault) => void

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
    watch: ({ server }, { version, onMalformedCall }) => {
      const ends = new Map<unknown, End>()
      const connect = server.connect.bind(server)

      function beginOf (message: JSONRPCMessage): End | undefined {
        if (!('method' in message)) return undefined
        const { method, params } = message
        if (method === 'tools/call') return 'id' in message ? () => { onMalformedCall(message.id) } : undefined
        return begin(method, method === 'initialize' ? protocolVersion(params?.protocolVersion) : version, params?._meta)
      }

      server.connect = async (transport) => {
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
          const end = beginOf(message)
          if (end !== undefined && 'id' in message) ends.set(message.id, end)
          onmessage?.(message, extra)
          if (!('id' in message)) end?.({})
        }
        transport.onclose = () => {
          const open = [...ends.values()]
          ends.clear()
          for (const end of open) end({ type: 'cancelled' })
          onclose?.()
        }
      }
      return { taken: (id) => { ends.delete(id) } }
    }
  }
}

/** What the answer to subscriptions/listen tells: a stream that is refused is answered in JSON. */
export async function faultOfAnswer (answer: Response): Promise<Fault> {
  if (answer.headers.get('content-type')?.startsWith('application/json') !== true) return {}
  const { error } = await answer.clone().json() as { error?: { code: number } }
  return error === undefined ? {} : faultOf(error.code)
}
