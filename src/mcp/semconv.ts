import { SUPPORTED_PROTOCOL_VERSIONS } from '@modelcontextprotocol/server'
import { errorCodes } from './wire.ts'
import type { Attempt } from './attempt.ts'
import type { Settled } from './outcome.ts'

/** Values of the OpenTelemetry conventions for MCP, as of 2026-11: opentelemetry.io/docs/specs/semconv/gen-ai/mcp. */

/** Why a tools/call is `invalid` that names no tool. */
export const malformed = 'malformed'

/** What metrics and spans call a name that no tool has. */
export const other = '_OTHER'

export const modernVersion = '2026-07-28'
const versions = new Set([modernVersion, ...SUPPORTED_PROTOCOL_VERSIONS])
const methods = new Set([
  'initialize', 'ping', 'server/discover', 'tools/list', 'tools/call', 'prompts/list', 'prompts/get', 'resources/list', 'resources/read',
  'resources/templates/list', 'resources/subscribe', 'resources/unsubscribe', 'subscriptions/listen', 'completion/complete', 'logging/setLevel',
  'notifications/initialized', 'notifications/cancelled', 'notifications/progress', 'notifications/roots/list_changed'
])
/** JSON-RPC codes that tell of the client's mistake, not of a failure here. */
const clientErrors = new Set([-32700, -32600, -32601, -32602, -32002])
const missingCapability = -32021
const invalidParams = -32602

/** One of the revisions that are spoken here, or nothing. */
export function protocolVersion (text: unknown): string | undefined {
  return typeof text === 'string' && versions.has(text) ? text : undefined
}

export function methodName (method: string): string {
  return methods.has(method) ? method : other
}

/** The name of a denied tool is one that the registry knows; that of an unknown one is the client's own text. */
export function toolName ({ tool, decision, name }: Attempt): string {
  return tool?.name ?? (decision?.allowed === false && decision.reason === 'denied' ? name : other)
}

export interface Fault {
  /** `error.type`, where the conventions count it as a failure. */
  type?: string
  /** `rpc.response.status_code` */
  code?: string
}

/** What a JSON-RPC error is. */
export function faultOf (code: number): Fault {
  return clientErrors.has(code) ? { code: String(code) } : { type: String(code), code: String(code) }
}

/** What the end of a call is; `toWire` makes the same of it for the client. */
export function faultOfCall ({ era }: Attempt, { outcome, reason, ask }: Settled): Fault {
  switch (outcome) {
    case 'ok':
    case 'input_required': return {}
    case 'unknown':
    case 'denied': return faultOf(invalidParams)
    case 'killed': return faultOf(errorCodes.killed)
    case 'cancelled': return { type: 'cancelled' }
    case 'invalid': return reason === 'invalid_request_state' || reason === malformed ? faultOf(invalidParams) : { type: 'tool_error' }
    case 'tool_error': return ask !== undefined && era === 'modern' ? faultOf(missingCapability) : { type: 'tool_error' }
    default: return { type: 'tool_error' }
  }
}
