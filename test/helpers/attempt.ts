import { Type, type TObject } from 'typebox'
import { createCursors } from '../../src/cursor.ts'
import { createAttempt, type Attempt } from '../../src/mcp/attempt.ts'
import { createCallTool, type CallTool, type Stages } from '../../src/mcp/call-tool.ts'
import { makeCall } from '../../src/mcp/make-call.ts'
import type { Settled } from '../../src/mcp/outcome.ts'
import { createRegistry, type CompiledTool } from '../../src/mcp/registry.ts'
import { createRequestState } from '../../src/mcp/request-state.ts'
import type { Tool } from '../../src/mcp/tool.ts'
import { fakeLease } from './fake-call.ts'

/** A compiled tool with whatever the test cares about. */
export function compiledTool (parts: Partial<Tool<any, any>> = {}): CompiledTool {
  const registry = createRegistry()
  registry.add({
    name: 'echo',
    description: 'Echoes.',
    effect: 'read',
    input: Type.Object({ text: Type.Optional(Type.String()) }) as TObject,
    output: Type.Object({ text: Type.String() }) as TObject,
    handler: async (args: unknown) => ({ text: (args as { text?: string }).text ?? '' }),
    ...parts
  })
  return registry.get(parts.name ?? 'echo') as CompiledTool
}

export function attemptOn (tool: CompiledTool | undefined, parts: Partial<Attempt> = {}): Attempt {
  return {
    ...createAttempt({
      name: tool?.name ?? 'nope',
      tool,
      args: {},
      principal: { id: 'anonymous', kind: 'anonymous', roles: ['anonymous'] },
      decision: { allowed: true },
      era: 'modern',
      lane: 'sdk',
      client: { capabilities: {} }
    }, 10_000),
    ...parts
  }
}

export interface Recorded { settled: Settled, cause: unknown }

/** A pipeline of the smallest stages, and what its telemetry saw. */
export function pipelineOf (parts: Partial<Stages> = {}): { callTool: CallTool, recorded: Recorded[], ended: number[] } {
  const recorded: Recorded[] = []
  const ended: number[] = []
  const callTool = createCallTool({
    telemetry: { start: () => ({ run: (steps) => steps(), finish: (settled, cause) => { recorded.push({ settled, cause }) } }) },
    allowlist: { check: ({ decision }) => decision?.allowed === true ? undefined : { outcome: 'denied' } },
    limits: { admit: async () => () => {} },
    requestState: createRequestState('x'.repeat(32)),
    database: { lend: () => fakeLease({ end: async () => { ended.push(1) } }) },
    upstream: { lend: () => ({ fetch, end: () => {} }) },
    call: (attempt, parts) => makeCall(attempt, { ...parts, cursorsOf: createCursors('x'.repeat(32)), log: { child: () => 'child log' } as never }),
    ...parts
  })
  return { callTool, recorded, ended }
}
