import { SpanKind, SpanStatusCode, trace, type Context, type Tracer } from '@opentelemetry/api'
import type { Attempt } from './attempt.ts'
import type { Settled } from './outcome.ts'
import { faultOfCall, other, toolName } from './semconv.ts'
import { placeOf } from './trace-context.ts'

const longestId = 128

export interface CallSpan {
  /** In which the call runs, so that its statements and log lines are found with it. */
  context: Context
  end: (settled: Settled) => void
}

/** The span of a tool call: opentelemetry.io/docs/specs/semconv/gen-ai/mcp. */
export function startCallSpan (tracer: Tracer, attempt: Attempt): CallSpan {
  const tool = toolName(attempt)
  const { parent, links } = placeOf(attempt.trace)
  const span = tracer.startSpan(tool === other ? 'tools/call' : `tools/call ${tool}`, {
    kind: SpanKind.SERVER,
    attributes: { 'mcp.method.name': 'tools/call', 'gen_ai.operation.name': 'execute_tool', 'gen_ai.tool.name': tool },
    links
  }, parent)

  return {
    context: trace.setSpan(parent, span),
    end: (settled) => {
      if (span.isRecording()) {
        const { type, code } = faultOfCall(attempt, settled)
        span.setAttributes({
          'jsonrpc.request.id': attempt.requestId === undefined ? undefined : String(attempt.requestId).slice(0, longestId),
          'mcp.protocol.version': attempt.protocolVersion,
          'network.transport': 'tcp',
          'network.protocol.name': 'http',
          'error.type': type,
          'rpc.response.status_code': code,
          'portcullis.call.id': attempt.id,
          'portcullis.outcome': settled.outcome,
          'portcullis.reason': settled.reason,
          'enduser.id': attempt.principal.id
        })
        if (type !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: settled.outcome === 'killed' ? settled.text : undefined })
      }
      span.end()
    }
  }
}
