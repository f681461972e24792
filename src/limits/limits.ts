/** What one principal may ask of one tool; `Infinity` is no limit. */
export interface CallLimits {
  /** Calls of this tool, a token bucket that holds as many as it refills in a minute. */
  perMinute: number
  /** Calls of this tool that run at the same time. */
  concurrency: number
  timeoutMs: number
  /** Longest result, bytes of UTF-8. */
  resultBytes: number
}

/** What one principal may ask of the server; `Infinity` is no limit. */
export interface CallerLimits {
  /** Messages of every kind, refused ones too. */
  attemptsPerMinute: number
  /** Calls of all tools that run at the same time. */
  concurrency: number
  /** Calls that wait for their turn. */
  queue: number
  /** Longest request body. */
  bodyBytes: number
}

export interface Limits { call: CallLimits, caller: CallerLimits }

export const unlimited: Limits = {
  call: { perMinute: Infinity, concurrency: Infinity, timeoutMs: Infinity, resultBytes: Infinity },
  caller: { attemptsPerMinute: Infinity, concurrency: Infinity, queue: Infinity, bodyBytes: Infinity }
}

/** What a role of the allowlist, or the whole of it, says about limits. */
export interface LimitsRule extends Partial<CallLimits & CallerLimits> { tools?: Readonly<Record<string, Partial<CallLimits>>> }

/** What is said of one principal: by the rule for everybody, and by those of its roles. */
export interface Rules { everybody: LimitsRule, rules: readonly LimitsRule[] }

const ratesPerMinute = ['perMinute', 'attemptsPerMinute']
const smallest: Record<keyof (CallLimits & CallerLimits), number> = { perMinute: 0, concurrency: 1, timeoutMs: 1, resultBytes: 1, attemptsPerMinute: 0, queue: 0, bodyBytes: 1 }
const ofTool: string[] = ['perMinute', 'concurrency', 'timeoutMs', 'resultBytes'] satisfies Array<keyof CallLimits>

/**
 * Reads a `limits` mapping of the allowlist.
 * @throws what `invalid` makes of a sentence that names the fault
 */
export function parseLimits (where: string, value: unknown, invalid: (reason: string) => Error): LimitsRule {
  const { tools, ...own } = mapping(where, value, invalid)
  const rule: LimitsRule = numbers(where, own, Object.keys(smallest), ', tools', invalid)
  if (tools === undefined) return rule
  const ofTools = Object.entries(mapping(`${where}.tools`, tools, invalid)).map(([name, limits]) => [name, numbers(`${where}.tools.${name}`, mapping(`${where}.tools.${name}`, limits, invalid), ofTool, '', invalid)])
  return { ...rule, tools: Object.fromEntries(ofTools) }
}

/** The same for what a tool declares; a sentence when it is wrong. */
export function limitsFault (declared: Partial<CallLimits>): string | undefined {
  try {
    numbers('limits', declared, ofTool, '', (reason) => new Error(reason))
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

/**
 * The limits of a principal on a tool: what a rule says of that tool, else the lower of what the tool declares and what
 * a rule says of all, else the default. Where several roles say something, the most generous holds.
 * The rule for everybody stands in where the roles that allow the tool say nothing.
 */
export function callLimits (defaults: CallLimits, name: string, declared: Partial<CallLimits>, { rules, everybody }: Rules): CallLimits {
  const resolve = (key: keyof CallLimits): number => {
    const forTool = mostGenerous(rules.map(({ tools }) => tools?.[name]?.[key])) ?? everybody.tools?.[name]?.[key]
    if (forTool !== undefined) return forTool
    const forAll = mostGenerous(rules.map((rule) => ofEachTool(rule)[key])) ?? ofEachTool(everybody)[key]
    return Math.min(declared[key] ?? forAll ?? defaults[key], forAll ?? Infinity)
  }
  return { perMinute: resolve('perMinute'), concurrency: resolve('concurrency'), timeoutMs: resolve('timeoutMs'), resultBytes: resolve('resultBytes') }
}

/** The limits of a principal on the server, from the rules of its roles. */
export function callerLimits (defaults: CallerLimits, { rules, everybody }: Rules): CallerLimits {
  const resolve = (key: keyof CallerLimits): number => mostGenerous(rules.map((rule) => rule[key])) ?? everybody[key] ?? defaults[key]
  return { attemptsPerMinute: resolve('attemptsPerMinute'), concurrency: resolve('concurrency'), queue: resolve('queue'), bodyBytes: resolve('bodyBytes') }
}

/** Concurrency without a tool is that of all tools together. */
function ofEachTool ({ concurrency: _ofAll, ...rule }: LimitsRule): Partial<CallLimits> {
  return rule
}

function mostGenerous (values: Array<number | undefined>): number | undefined {
  const said = values.filter((value) => value !== undefined)
  return said.length === 0 ? undefined : Math.max(...said)
}

function numbers (where: string, values: Record<string, unknown>, keys: string[], more: string, invalid: (reason: string) => Error): Partial<CallLimits & CallerLimits> {
  const entries = Object.entries(values).map(([key, value]): [string, number] => {
    if (!keys.includes(key)) throw invalid(`${where} has an unknown key ${JSON.stringify(key.slice(0, 64))}; the keys are ${keys.join(', ')}${more}`)
    const least = smallest[key as keyof typeof smallest]
    if (!Number.isSafeInteger(value) || (value as number) < least) throw invalid(`${where}.${key} must be a whole number, at least ${least}${ratesPerMinute.includes(key) ? ' (0 is no limit)' : ''}`)
    return [key, ratesPerMinute.includes(key) && value === 0 ? Infinity : value as number]
  })
  return Object.fromEntries(entries)
}

function mapping (where: string, value: unknown, invalid: (reason: string) => Error): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) throw invalid(`${where} must be a mapping`)
  return value as Record<string, unknown>
}
