import t from 'tap'
import { Type } from 'typebox'
import { CommitUnknown, DatabaseUnavailable } from '../../../src/errors.ts'
import { ask } from '../../../src/mcp/ask.ts'
import { blocks } from '../../../src/mcp/blocks.ts'
import { createAttempt } from '../../../src/mcp/attempt.ts'
import { ToolError, type Call } from '../../../src/mcp/tool.ts'
import { attemptOn, compiledTool, pipelineOf } from '../../helpers/attempt.ts'
import { fakeLease } from '../../helpers/fake-call.ts'

const never = async (): Promise<never> => await new Promise<never>(() => {})
const question = ask({ name: { method: 'elicitation/create', params: { message: 'Who?' } } }, { round: 1 })

t.test('a result is serialised once, with the declared fields alone', async (t) => {
  const { callTool, recorded, ended } = pipelineOf()
  const tool = compiledTool({ handler: async () => ({ text: 'hi', secret: 'no' }) })

  const settled = await callTool(attemptOn(tool))

  t.match(settled, { outcome: 'ok', text: '{"text":"hi"}', structured: true })
  t.equal(recorded.length, 1)
  t.equal(ended.length, 1, 'the connection is given back')
})

t.test('every way a handler can fail settles, and only a ToolError speaks to the model', async (t) => {
  const databaseError = Object.assign(new Error('duplicate key (email)=(jane@example.com)'), { code: '23505', severity: 'ERROR' })
  const cases: Array<[thrown: unknown, outcome: string, text: RegExp]> = [
    [new ToolError('not_found', 'No such thing'), 'tool_error', /^No such thing$/],
    [new ToolError('conflict', 'Taken', { id: '7' }), 'tool_error', /^{"error":"Taken","id":"7"}$/],
    [new DatabaseUnavailable(), 'unavailable', /not available.*1 s/],
    [Object.assign(new Error('canceling statement due to statement timeout'), { code: '57014' }), 'timeout', /longer than it may/],
    [databaseError, 'error', /^The tool failed\. Quote call [0-9a-f-]{36}/],
    [new Error('connect ECONNREFUSED 10.0.0.1:5432'), 'error', /^The tool failed/],
    ['a string', 'error', /^The tool failed/],
    [undefined, 'error', /^The tool failed/],
    [null, 'error', /^The tool failed/],
    [{ code: {} }, 'error', /^The tool failed/],
    [new ToolError('conflict', 'x', { n: 5n as never }), 'error', /^The tool failed/],
    [Object.defineProperty(new Error('x'), 'code', { get () { throw new Error('a trap') } }), 'error', /^The tool failed/]
  ]
  for (const [thrown, outcome, text] of cases) {
    const { callTool, recorded, ended } = pipelineOf()
    const settled = await callTool(attemptOn(compiledTool({ handler: async () => { throw thrown } })))
    t.equal(settled.outcome, outcome, String(thrown))
    t.match(settled.text, text)
    t.equal(recorded[0]?.cause, thrown, 'the original error reaches telemetry')
    t.equal(ended.length, 1)
  }
})

t.test('a handler that throws before its first await settles too', async (t) => {
  const { callTool } = pipelineOf()
  t.match(await callTool(attemptOn(compiledTool({ handler: (() => { throw new Error('sync') }) as never }))), { outcome: 'error' })
})

t.test('what a handler returns must have the declared fields', async (t) => {
  const { callTool } = pipelineOf()
  for (const result of [{}, { text: null }, { text: 5 }, { text: {} }, null, undefined, 'text', [], blocks({ type: 'text', text: 'x' })]) {
    t.match(await callTool(attemptOn(compiledTool({ handler: async () => result }))), { outcome: 'error' }, JSON.stringify(result))
  }
})

t.test('a tool of blocks answers in blocks, and nothing else', async (t) => {
  const { callTool } = pipelineOf()
  const image = { type: 'image', data: 'AA==', mimeType: 'image/png' } as const
  t.match(await callTool(attemptOn(compiledTool({ output: 'blocks', handler: async () => blocks(image) }))), { outcome: 'ok', structured: false, blocks: [image] })
  t.match(await callTool(attemptOn(compiledTool({ output: 'blocks', handler: async () => ({ type: 'text' }) }))), { outcome: 'error' })
})

t.test('the steps come in their order, and a refusal at one keeps the later ones from running', async (t) => {
  const steps = ['allowlist', 'kill', 'limits', 'check', 'lend', 'handler', 'audit'] as const
  const tool = compiledTool()
  for (const refusing of [undefined, 'allowlist', 'kill', 'limits', 'check'] as const) {
    const seen: string[] = []
    const at = (step: string): boolean => { seen.push(step); return refusing === step }
    const { callTool } = pipelineOf({
      allowlist: { check: () => at('allowlist') ? { outcome: 'denied' } : undefined },
      killSwitch: { enter: () => at('kill') ? { outcome: 'killed' } : () => { seen.push('leave') } },
      limits: { admit: async () => at('limits') ? { outcome: 'limited', retryAfterMs: 5 } : () => { seen.push('release') } },
      audit: { intent: async () => { seen.push('intent') }, outcome: async () => { seen.push('audit') } },
      database: { lend: () => { seen.push('lend'); return fakeLease({ end: async () => { seen.push('end') } }) } }
    })
    const observed = { ...tool, check: (args: unknown) => at('check') ? { ok: false as const, message: 'no' } : tool.check(args), handler: async () => { seen.push('handler'); return { text: '' } } }
    const settled = await callTool(attemptOn(observed))

    const expected = refusing === undefined ? steps : steps.slice(0, steps.indexOf(refusing) + 1)
    t.same(seen.filter((step) => (steps as readonly string[]).includes(step)), expected, `refused by ${refusing}`)
    t.equal(seen.includes('leave'), !['allowlist', 'kill'].includes(refusing as string), 'whatever entered leaves')
    t.equal(seen.includes('release'), !['allowlist', 'kill', 'limits'].includes(refusing as string))
    t.equal(settled.outcome, { allowlist: 'denied', kill: 'killed', limits: 'limited', check: 'invalid' }[refusing as string] ?? 'ok')
  }
})

t.test('a stage that throws settles as an error and never rejects', async (t) => {
  const boom = (): never => { throw new Error('stage') }
  for (const stages of [
    { allowlist: { check: boom } },
    { killSwitch: { enter: boom } },
    { limits: { admit: boom } },
    { audit: { intent: boom, outcome: boom } },
    { database: { lend: boom } },
    { call: boom }
  ]) {
    const { callTool, recorded } = pipelineOf(stages)
    t.match(await callTool(attemptOn(compiledTool())), { outcome: 'error' }, Object.keys(stages).join())
    t.equal(recorded.length, 1)
  }
})

t.test('unknown and denied read alike', async (t) => {
  const { callTool } = pipelineOf()
  const unknown = await callTool(attemptOn(undefined, { name: 'x' }))
  const denied = await callTool(attemptOn(compiledTool({ name: 'x' }), { decision: { allowed: false, reason: 'denied' } }))
  t.match(unknown, { outcome: 'unknown' })
  t.match(denied, { outcome: 'denied' })
  t.equal(unknown.text, denied.text)
  t.match(await callTool(attemptOn(compiledTool(), { decision: undefined })), { outcome: 'denied' }, 'an attempt without a decision is refused')
})

t.test('a call ends when its deadline passes, its client leaves or it is killed', async (t) => {
  for (const why of ['cancelled', 'killed'] as const) {
    const { callTool, ended } = pipelineOf()
    const attempt = attemptOn(compiledTool({ handler: async () => { attempt.abort(why); return await never() } }))
    const settling = callTool(attempt)
    t.equal((await settling).outcome, why)
    t.equal(ended.length, 1)
  }

  const { callTool } = pipelineOf()
  const known = attemptOn(compiledTool({ handler: never, limits: { timeoutMs: 20 } }))
  t.equal((await callTool(createAttempt(known, 10_000))).outcome, 'timeout', 'the tool may ask for less than CALL_TIMEOUT_MS')
})

t.test('a call that was aborted before its handler never reaches it', async (t) => {
  let ran = false
  const attempt = attemptOn(compiledTool({ handler: async () => { ran = true; return { text: '' } } }))
  attempt.abort('cancelled')
  t.equal((await pipelineOf().callTool(attempt)).outcome, 'cancelled')
  t.equal(ran, false)
})

t.test('a handler that fails after its call was aborted disturbs nobody', async (t) => {
  const { callTool } = pipelineOf()
  let fail = (): void => {}
  const attempt = attemptOn(compiledTool({ handler: async () => await new Promise((_resolve, reject) => { fail = () => { reject(new Error('late')) } }) }))
  const settling = callTool(attempt)
  attempt.abort('cancelled')
  t.equal((await settling).outcome, 'cancelled')
  fail()
  await new Promise((resolve) => { setImmediate(resolve) }) // an unhandled rejection would end the process here
})

t.test('a handler gets its call: progress that increases, one log of its own, the client\'s words', async (t) => {
  const sent: unknown[] = []
  const attempt = attemptOn(compiledTool({
    handler: async (_args: unknown, call: Call) => {
      call.progress(1, 3)
      call.progress(1, 3)
      call.progress(0.5)
      call.progress(NaN)
      call.progress(2, 3, 'nearly')
      t.equal(call.log, 'child log')
      t.equal(call.signal.aborted, false)
      return { text: call.client.info?.name ?? '' }
    }
  }), { notify: (notification) => { sent.push(notification) }, client: { info: { name: 'tester', version: '1' }, capabilities: {} } })

  t.match(await pipelineOf().callTool(attempt), { text: '{"text":"tester"}' })
  t.match(sent, [{ params: { progress: 1, total: 3 } }, { params: { progress: 2, message: 'nearly' } }])
  t.equal(sent.length, 2)
})

t.test('a tool that asks', async (t) => {
  const asking = compiledTool({
    handler: async (_args: unknown, { answers }: Call) => answers?.state === undefined ? question : { text: JSON.stringify(answers) }
  })
  const able = { client: { capabilities: { elicitation: {} } } }
  const { callTool } = pipelineOf()

  t.test('settles as input_required with sealed state, and gets it back with the answers', async (t) => {
    const first = await callTool(attemptOn(asking, able))
    t.equal(first.outcome, 'input_required')
    const requestState = first.ask?.requestState
    const second = await callTool(attemptOn(asking, { ...able, requestState, inputResponses: { name: { action: 'accept' } } }))
    t.same(JSON.parse(JSON.parse(second.text).text), { state: { round: 1 }, responses: { name: { action: 'accept' } } })
  })

  t.test('treats answers without state as the first round', async (t) => {
    t.equal((await callTool(attemptOn(asking, { ...able, inputResponses: { name: {} } }))).outcome, 'input_required')
  })

  t.test('refuses state that was altered, is another principal\'s, another tool\'s or for other arguments', async (t) => {
    const requestState = (await callTool(attemptOn(asking, { ...able, args: { text: 'a' } }))).ask?.requestState as string
    const borrowed: Array<Partial<ReturnType<typeof attemptOn>>> = [
      { requestState, principal: { id: 'anonymous', kind: 'oauth', roles: [] } },
      { requestState: `${requestState.slice(0, -2)}xx` },
      { requestState: '' },
      { requestState: 'v1.x.y' },
      { requestState, principal: { id: 'other', kind: 'api-key', roles: [] } },
      { requestState, name: 'other' },
      { requestState, args: { text: 'b' } },
      { requestState, args: undefined }
    ]
    for (const parts of borrowed) t.match(await callTool(attemptOn(asking, { ...able, args: { text: 'a' }, ...parts })), { outcome: 'invalid', reason: 'invalid_request_state' }, JSON.stringify(parts))
    t.match(await pipelineOf({ requestState: (await import('../../../src/mcp/request-state.ts')).createRequestState('y'.repeat(32)) }).callTool(attemptOn(asking, { ...able, args: { text: 'a' }, requestState })), { outcome: 'invalid' }, 'sealed under another secret')
    t.match(await callTool(attemptOn(asking, { ...able, args: { text: 'a' }, requestState })), { outcome: 'ok' })
  })

  t.test('is a tool error where the client can\'t answer', async (t) => {
    const cases: Array<[era: 'modern' | 'legacy', capabilities: object, method: 'elicitation/create' | 'sampling/createMessage' | 'roots/list', params: Record<string, unknown> | undefined, outcome: string]> = [
      ['modern', {}, 'elicitation/create', undefined, 'tool_error'],
      ['modern', { elicitation: {} }, 'elicitation/create', undefined, 'input_required'],
      ['modern', { elicitation: { url: {} } }, 'elicitation/create', {}, 'tool_error'],
      ['modern', { elicitation: { url: {} } }, 'elicitation/create', { mode: 'url' }, 'input_required'],
      ['modern', { elicitation: { form: {} } }, 'elicitation/create', { mode: 'url' }, 'tool_error'],
      ['modern', { elicitation: {} }, 'sampling/createMessage', {}, 'tool_error'],
      ['modern', { sampling: {} }, 'sampling/createMessage', {}, 'input_required'],
      ['modern', {}, 'roots/list', undefined, 'tool_error'],
      ['modern', { roots: {} }, 'roots/list', undefined, 'input_required'],
      ['legacy', { elicitation: {}, sampling: {}, roots: {} }, 'roots/list', undefined, 'tool_error']
    ]
    for (const [era, capabilities, method, params, outcome] of cases) {
      const tool = compiledTool({ output: Type.Object({ text: Type.String() }), handler: async () => ask({ q: { method, params } }) })
      t.equal((await callTool(attemptOn(tool, { era, client: { capabilities: capabilities as Record<string, unknown> } }))).outcome, outcome, `${era} ${method} ${JSON.stringify(capabilities)}`)
    }
  })
})

t.test('only what ends well is committed, after the outcome is recorded', async (t) => {
  const ends: Array<[string, () => Promise<unknown>, string[]]> = [
    ['ok', async () => ({ text: 'done' }), ['outcome', 'commit', 'end']],
    ['tool_error', async () => { throw new ToolError('conflict', 'no') }, ['end']],
    ['error', async () => { throw new Error('boom') }, ['end']],
    ['error', async () => ({ undeclared: 1 }), ['end']],
    ['input_required', async () => ask({ name: { method: 'elicitation/create', params: { message: 'Who?', requestedSchema: { type: 'object', properties: {} } } } }), ['outcome', 'end']]
  ]
  for (const [outcome, handler, expected] of ends) {
    const seen: string[] = []
    const { callTool } = pipelineOf({
      audit: { intent: async () => {}, outcome: async () => { seen.push('outcome') } },
      database: { lend: () => fakeLease({ commit: async () => { seen.push('commit') }, end: async () => { seen.push('end') } }) }
    })
    const attempt = attemptOn(compiledTool({ effect: 'write', handler: handler as never }), { client: { capabilities: { elicitation: {} } } })
    t.match(await callTool(attempt), { outcome })
    t.same(seen, expected, outcome)
  }
})

t.test('a commit that fails is no success, and one whose fate is unknown says so whatever else happened', async (t) => {
  const settledBy = async (error: Error, abort = false) => {
    const { callTool } = pipelineOf({ database: { lend: () => fakeLease({ commit: async () => { if (abort) attempt.abort('timeout'); throw error } }) } })
    const attempt = attemptOn(compiledTool({ effect: 'write', handler: async () => ({ text: '' }) }))
    return await callTool(attempt)
  }
  t.match(await settledBy(Object.assign(new DatabaseUnavailable(), { reason: 'database' })), { outcome: 'unavailable', reason: 'database', retryAfterMs: 1000 })
  t.match(await settledBy(new Error('deferred constraint')), { outcome: 'error' })
  for (const abort of [false, true]) t.match(await settledBy(new CommitUnknown(), abort), { outcome: 'error', reason: 'commit_unknown', text: /nobody can tell.*Look before you try again/ })
})
