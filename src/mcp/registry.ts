import type { TObject } from 'typebox'
import { ToolDuplicate, ToolInvalid, ToolsSealed } from '../errors.ts'
import { callerLimits, callLimits, limitsFault, unlimited, type CallerLimits, type Limits, type Rules } from '../limits/limits.ts'
import { databaseNameFault, databaseSettings } from '../named-database.ts'
import { createSettings, type Settings } from '../settings.ts'
import { authoring } from './authoring.ts'
import { closed, compileInput, type Checked } from './input.ts'
import { compileOutput } from './output.ts'
import type { Json, Output, Principal, Tool, ToolAnnotations } from './tool.ts'

/** What tools/list publishes for one tool (specification: server/tools, "Tool"). */
export interface ToolDefinition {
  name: string
  title?: string
  description: string
  inputSchema: { type: 'object' } & Record<string, unknown>
  outputSchema?: { type: 'object' } & Record<string, unknown>
  annotations: ToolAnnotations
}

/** A tool with everything compiled that a call needs. */
export interface CompiledTool extends Tool {
  definition: ToolDefinition
  check: (args: unknown) => Checked
  /** Absent for a tool that answers in blocks. */
  shape?: ReturnType<typeof compileOutput>
  /** The values of its `config`. */
  settings: Readonly<Record<string, unknown>>
}

/** Who may call what. `digest` changes whenever an answer may. */
export interface Policy {
  readonly digest: string
  allows: (principal: Principal, toolName: string) => boolean
  /** The roles of a principal that the policy speaks of. */
  rolesOf?: (principal: Principal) => readonly string[]
  /** What the policy says about limits: for everybody, and for those roles of a principal that allow the tool; without a tool, for all its roles. */
  limits?: (principal: Principal, toolName?: string) => Rules
}

/** What one principal sees: the only source of tools/list and of the allowlist's decisions. */
export interface View {
  tools: ReadonlyMap<string, CompiledTool>
  definitions: readonly ToolDefinition[]
  caller: CallerLimits
  /** By name of tool. */
  limits: ReadonlyMap<string, Limits>
}

const toolName = /^[a-z][a-z0-9_]{0,63}$/
const maxViews = 1000
const nothingAllowed: Policy = { digest: '', allows: () => false }

/** Collects tools while plugins load and compiles each; once sealed it never changes. */
export function createRegistry (policy: Policy = nothingAllowed, settings: Settings = createSettings({}), defaults: Limits = unlimited) {
  const tools = new Map<string, CompiledTool>()
  const views = new Map<string, View>()
  let isSealed = false

  /** @throws ToolsSealed, ToolDuplicate, ToolInvalid, SettingsInvalid */
  function add<I extends TObject, O extends Output, C extends TObject> (tool: Tool<I, O, C>): void {
    if (isSealed) throw new ToolsSealed(String(tool?.name))
    if (tools.has(tool.name)) throw new ToolDuplicate(tool.name)
    tools.set(tool.name, compile(tool as unknown as Tool, settings))
  }

  /** Cached by role set and policy; anything a principal may not call is absent. */
  function view (principal: Principal): View {
    const roles = policy.rolesOf?.(principal) ?? principal.roles // those that it does not know make no other view
    const key = JSON.stringify([policy.digest, ...[...roles].sort()])
    const known = views.get(key)
    if (known !== undefined) return known
    const visible = list().filter((tool) => policy.allows(principal, tool.name))
    const limitsOf = (toolName?: string): Rules => policy.limits?.(principal, toolName) ?? { everybody: {}, rules: [] }
    const caller = callerLimits(defaults.caller, limitsOf())
    const made: View = {
      tools: new Map(visible.map((tool) => [tool.name, tool])),
      definitions: visible.map((tool) => tool.definition),
      caller,
      limits: new Map(visible.map(({ name, limits = {} }) => [name, { call: callLimits(defaults.call, name, limits, limitsOf(name)), caller }]))
    }
    if (views.size >= maxViews) views.clear()
    views.set(key, made)
    return made
  }

  function list (): CompiledTool[] {
    return [...tools.values()].sort((a, b) => a.name < b.name ? -1 : 1)
  }

  return {
    ...authoring,
    add,
    get: (name: string): CompiledTool | undefined => tools.get(name),
    list,
    view,
    seal: (): void => { isSealed = true }
  }
}

export type Registry = ReturnType<typeof createRegistry>

function compile (tool: Tool, settings: Settings): CompiledTool {
  const fault = faultOf(tool)
  if (fault !== undefined) throw new ToolInvalid(String(tool.name), fault)
  const owner = `tool "${tool.name}"`
  if (tool.database !== undefined) settings.read(owner, databaseSettings(tool.database))
  const own = tool.config === undefined ? {} : settings.read(owner, tool.config)
  try {
    return {
      ...tool,
      definition: define(tool),
      check: compileInput(tool.input),
      shape: tool.output === 'blocks' ? undefined : compileOutput(tool.output),
      settings: own
    }
  } catch (error) {
    throw new ToolInvalid(tool.name, (error as Error).message)
  }
}

/** What would make a client choke, or a promise the server can't keep yet. */
function faultOf (tool: Tool): string | undefined {
  if (typeof tool.name !== 'string' || !toolName.test(tool.name)) return 'its name must match [a-z][a-z0-9_]* and have at most 64 characters'
  if (tool.name in Object.prototype) return 'its name is one that every JavaScript object has, which the protocol library takes for a tool of its own; choose another'
  if (typeof tool.description !== 'string' || tool.description.trim() === '') return 'it has no description; say what it does, for a model'
  if (typeof tool.handler !== 'function') return 'it has no handler function'
  if (tool.effect !== 'read' && tool.effect !== 'write') return 'its effect must be \'read\' or \'write\''
  if (tool.effect === 'write' && tool.foreignSql === true) return 'SQL from elsewhere may only read; declare effect \'read\''
  if (tool.limits !== undefined && limitsFault(tool.limits) !== undefined) return limitsFault(tool.limits)
  if (tool.output === undefined) return 'it has no output; declare an object schema, or \'blocks\''
  if (tool.database !== undefined && databaseNameFault(tool.database) !== undefined) return databaseNameFault(tool.database)
  return rootFault('input', tool.input) ?? (tool.output === 'blocks' ? undefined : rootFault('output', tool.output))
}

function rootFault (side: 'input' | 'output', schema: TObject): string | undefined {
  const root = schema as unknown as Record<string, unknown> | undefined
  if (root === undefined || root === null || root.type !== 'object') return `its ${side} must be an object schema (type: object)${side === 'output' ? '; wrap it: { items: [...] }' : ''}`
  if (side === 'input' && root.additionalProperties === undefined && ['allOf', 'if'].some((keyword) => keyword in root)) return 'its input combines schemas with allOf or if; list every property at the top level and add additionalProperties: false'
  const union = ['anyOf', 'oneOf', '$ref'].find((keyword) => keyword in root)
  return union === undefined ? undefined : `its ${side} has ${union} at the top level, which makes some clients drop every tool; move it into a property`
}

function define (tool: Tool): ToolDefinition {
  const reads = tool.effect === 'read'
  return {
    name: tool.name,
    ...tool.title === undefined ? {} : { title: tool.title },
    description: tool.description,
    inputSchema: published(closed(tool.input as never)),
    ...tool.output === 'blocks' ? {} : { outputSchema: published(tool.output as never) },
    annotations: { readOnlyHint: reads, destructiveHint: !reads, idempotentHint: reads, openWorldHint: false, ...tool.annotations }
  }
}

/** The schema without the keywords that only this server reads. */
function published (schema: Record<string, unknown>): ToolDefinition['inputSchema'] {
  return JSON.parse(JSON.stringify(schema, (key, value: Json) => key === 'x-portcullis-free-json' || (key === 'errorMessage' && typeof value === 'string') ? undefined : value))
}
