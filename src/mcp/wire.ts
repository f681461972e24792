import { inputRequired, ProtocolError, type CallToolResult, type InputRequiredResult } from '@modelcontextprotocol/server'
import type { Attempt } from './attempt.ts'
import type { Settled } from './outcome.ts'

/** JSON-RPC codes of our own lie outside the range that the specification reserves. */
export const errorCodes = { unauthenticated: 4001, foreignHost: 4002, killed: 4003, insufficientScope: 4004, tooManyRequests: 4005, overloaded: 4006 } as const
const invalidParams = -32602

/**
 * What a settled attempt is in MCP: a result, or a JSON-RPC error for what the caller may not know more about.
 * @throws ProtocolError
 */
export function toWire (attempt: Attempt, settled: Settled): CallToolResult | InputRequiredResult {
  switch (settled.outcome) {
    case 'ok':
      if (settled.blocks !== undefined) return { content: [...settled.blocks] } as CallToolResult
      return { content: [{ type: 'text', text: settled.text }], structuredContent: JSON.parse(settled.text) }
    case 'unknown':
    case 'denied':
      throw new ProtocolError(invalidParams, settled.text)
    case 'killed':
      throw new ProtocolError(errorCodes.killed, settled.text, { reason: settled.reason ?? 'killed', callId: attempt.id })
    case 'invalid':
      if (settled.reason === 'invalid_request_state') throw new ProtocolError(invalidParams, 'Invalid or expired requestState', { reason: settled.reason, callId: attempt.id })
      return failed(attempt, settled)
    case 'tool_error':
      // In the modern era the SDK turns an undeclared capability into -32021 with HTTP 400.
      return settled.ask !== undefined && attempt.era === 'modern' ? askWire(settled.ask) : failed(attempt, settled)
    case 'input_required':
      return askWire(settled.ask ?? { requests: {} })
    default:
      return failed(attempt, settled)
  }
}

/** The call id leads whoever runs the server to the log line and the trace. */
function failed ({ id }: Attempt, settled: Settled): CallToolResult {
  return {
    isError: true,
    content: [{ type: 'text', text: settled.text }],
    ...settled.structured ? { structuredContent: JSON.parse(settled.text) } : {},
    _meta: {
      'io.portcullis/outcome': settled.outcome,
      'io.portcullis/callId': id,
      ...settled.retryAfterMs === undefined ? {} : { 'io.portcullis/retryAfterMs': settled.retryAfterMs }
    }
  }
}

function askWire (asked: NonNullable<Settled['ask']>): InputRequiredResult {
  return inputRequired({
    inputRequests: asked.requests as never,
    ...asked.requestState === undefined ? {} : { requestState: asked.requestState }
  })
}
