import { CLIENT_CAPABILITIES_META_KEY, CLIENT_INFO_META_KEY, createMcpHandler, DEFAULT_NEGOTIATED_PROTOCOL_VERSION, fromJsonSchema, McpServer, ProtocolError, type CallToolRequest, type McpRequestContext, type ServerContext } from '@modelcontextprotocol/server'
import { ExtensionAsync, ToolOutsideRegistry } from '../errors.ts'
import type { Entry } from '../limits/stage.ts'
import { createAttempt, type Decision } from './attempt.ts'
import { isStream } from './body.ts'
import type { CallTool, Stages } from './call-tool.ts'
import type { Extensions } from './extensions.ts'
import { hideInternals } from './hide-internals.ts'
import type { Registry, View } from './registry.ts'
import type { Client, Notify, Principal } from './tool.ts'
import type { Operations } from './operations.ts'
import { malformed, protocolVersion } from './semconv.ts'
import { traceOf } from './trace-context.ts'
import { toWire } from './wire.ts'

/** What the HTTP side knows of a request and the protocol side needs. */
export interface Exchange {
  body: unknown
  principal: Principal
  /** When deadlines begin, epoch milliseconds. */
  receivedAt: number
  /** What the limits said of the one call of the body. */
  takeEntry: () => Entry | undefined
  decisions: ReadonlyMap<string, Decision>
  /** Arguments that are no object, by request id: the SDK would answer for the pipeline, in its validator's words. */
  oddArguments: ReadonlyMap<unknown, unknown>
}

export interface SdkLaneOptions {
  name: string
  version: string
  instructions: string
  callTimeoutMs: number
  registry: Registry
  callTool: CallTool
  extensions: Extensions
  operations: Operations
  telemetry: Stages['telemetry']
  /** The protocol refused a request. */
  onRefused: (error: Error) => void
  /** A handler of an extension failed. */
  onError: (error: Error) => void
}

/** Clients may keep lists this long unless they are told of a change. */
const listTtlMs = 60_000
const lists = ['tools/list', 'prompts/list', 'resources/list', 'resources/templates/list', 'server/discover'] as const
const cacheHints = Object.fromEntries(lists.map((method) => [method, { ttlMs: listTtlMs, cacheScope: 'private' as const }]))
const invalidParams = -32602
const nobody: Principal = { id: 'nobody', kind: 'anonymous', roles: [] }

/** callTool alone validates arguments and results. */
const passThrough = { getValidator: () => (value: unknown) => ({ valid: true as const, data: value as never, errorMessage: undefined }) }

/**
 * The reference lane: the official server, one per request, both eras, stateless. A shared server would leak between
 * clients (CVE-2026-25536).
 */
export function createSdkLane (options: SdkLaneOptions) {
  const { registry } = options
  const extensions = options.extensions.list()
  const exchanges = new WeakMap<Request, Exchange>()
  const schemas = new Map(registry.list().map((tool) => [tool.name, fromJsonSchema(tool.definition.inputSchema, passThrough)]))

  function build ({ era, requestInfo }: McpRequestContext): McpServer {
    const exchange = requestInfo === undefined ? undefined : exchanges.get(requestInfo)
    if (exchange === undefined) throw new Error('request without exchange')
    const view = registry.view(exchange.principal)
    const mcp = extendedOrTold(exchange.principal, era)
    const version = protocolVersion(requestInfo?.headers.get('mcp-protocol-version')) ?? (era === 'legacy' ? DEFAULT_NEGOTIATED_PROTOCOL_VERSION : undefined)
    const { taken } = options.operations.watch(mcp, { version, onMalformedCall: (requestId) => { countMalformed({ era, version, requestId }, exchange) } })

    // The SDK checks Mcp-Param-* headers against what is registered; the tools named in the body are enough for that.
    for (const name of exchange.decisions.keys()) {
      const tool = view.tools.get(name)
      if (tool !== undefined) mcp.registerTool(name, { description: tool.description, inputSchema: schemas.get(name) }, () => { throw new Error('overridden below') })
    }

    mcp.server.setRequestHandler('tools/list', ({ params }) => {
      if (params?.cursor !== undefined) throw new ProtocolError(invalidParams, 'Invalid cursor: the list has one page')
      return { tools: [...view.definitions] as never }
    })
    mcp.server.setRequestHandler('tools/call', async (request, ctx) => {
      taken(ctx.mcpReq.id)
      return await call(request, ctx, { era, version }, exchange, view)
    })
    return mcp
  }

  /** The SDK has answered a tools/call that names no tool; it counts as an attempt all the same. */
  function countMalformed ({ era, version, requestId }: { era: 'modern' | 'legacy', version?: string, requestId: string | number }, { principal, receivedAt }: Exchange): void {
    const attempt = createAttempt({ name: '', args: undefined, principal, era, protocolVersion: version, requestId, lane: 'sdk', client: { capabilities: {} } }, options.callTimeoutMs, receivedAt)
    options.telemetry.start(attempt).finish({ outcome: 'invalid', reason: malformed, text: '', structured: false })
  }

  /** What fails for one principal alone is answered by the SDK, generically; the log has the cause. */
  function extendedOrTold (principal: Principal, era: 'modern' | 'legacy'): McpServer {
    try {
      return extended(principal, era)
    } catch (error) {
      options.onError(error as Error)
      throw error
    }
  }

  /** The official server with what plugins add to it, and no tool yet: those can't come from an extension. */
  function extended (principal: Principal, era: 'modern' | 'legacy'): McpServer {
    const mcp = new McpServer({ name: options.name, version: options.version }, {
      capabilities: { tools: { listChanged: era === 'modern' } }, // a stateless legacy client has no stream to hear it on
      instructions: options.instructions,
      cacheHints
    })
    hideInternals(mcp, options.onError)
    const { registerTool } = mcp
    mcp.registerTool = (name: string) => { throw new ToolOutsideRegistry(name) }
    for (const extension of extensions) {
      const returned: unknown = extension(mcp, principal, era)
      if (returned instanceof Promise) {
        returned.catch(() => {})
        throw new ExtensionAsync()
      }
    }
    mcp.registerTool = registerTool
    return mcp
  }

  async function call ({ params }: CallToolRequest, ctx: ServerContext, { era, version }: { era: 'modern' | 'legacy', version?: string }, exchange: Exchange, view: View) {
    const attempt = createAttempt({
      name: params.name,
      tool: view.tools.get(params.name),
      limits: view.limits.get(params.name),
      takeEntry: exchange.takeEntry,
      args: exchange.oddArguments.has(ctx.mcpReq.id) ? exchange.oddArguments.get(ctx.mcpReq.id) : params.arguments,
      principal: exchange.principal,
      decision: exchange.decisions.get(params.name),
      era,
      protocolVersion: version,
      requestId: ctx.mcpReq.id,
      lane: 'sdk',
      client: clientOf(ctx),
      trace: traceOf(ctx.mcpReq._meta),
      notify: notifierFor(ctx),
      inputResponses: ctx.mcpReq.inputResponses,
      requestState: ctx.mcpReq.requestState<string>()
    }, options.callTimeoutMs, exchange.receivedAt)

    const onGone = (): void => { attempt.abort('cancelled') }
    if (ctx.mcpReq.signal.aborted) onGone()
    ctx.mcpReq.signal.addEventListener('abort', onGone, { once: true })
    try {
      return toWire(attempt, await options.callTool(attempt))
    } finally {
      ctx.mcpReq.signal.removeEventListener('abort', onGone)
    }
  }

  for (const era of ['modern', 'legacy'] as const) extended(nobody, era) // what an extension does wrong shows at boot
  const open = (): ReturnType<typeof createMcpHandler> => createMcpHandler(build, { legacy: 'stateless', responseMode: 'auto', bus: options.extensions.bus, onerror: options.onRefused })
  const [handler, streams] = [open(), open()] // two, because one that is closed ends its calls too

  return {
    /** Answers one HTTP request; its signal aborts when the client is gone. */
    async handle (request: Request, exchange: Exchange): Promise<Response> {
      exchanges.set(request, exchange)
      return await (isStream(exchange.body) ? streams : handler).fetch(request, request.method === 'POST' ? { parsedBody: exchange.body } : {})
    },
    /** Ends open streams, each with its result; none can be opened any more. */
    endStreams: async (): Promise<void> => { await streams.close() },
    /** Call it when nothing is in flight any more. */
    close: async (): Promise<void> => { await Promise.all([handler.close(), streams.close()]) }
  }
}

function clientOf ({ mcpReq: { envelope = {} } }: ServerContext): Client {
  const meta = envelope as Record<string, unknown>
  return { info: meta[CLIENT_INFO_META_KEY] as Client['info'], capabilities: (meta[CLIENT_CAPABILITIES_META_KEY] ?? {}) as Client['capabilities'] }
}

/** Progress reaches a client that sent a token; log messages one that asked for a level. Nothing else may travel on a call's stream. */
function notifierFor ({ mcpReq }: ServerContext): Notify {
  const progressToken = mcpReq._meta?.progressToken
  return ({ method, params = {} }) => {
    if (method === 'notifications/progress' && progressToken !== undefined) {
      mcpReq.notify({ method, params: { ...params, progressToken } }).catch(() => {}) // the client may be gone
    } else if (method === 'notifications/message') {
      mcpReq.log(params.level as 'info', params.data, params.logger as string | undefined).catch(() => {})
    }
  }
}
