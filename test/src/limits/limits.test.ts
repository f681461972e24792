import t from 'tap'
import { callerLimits, callLimits, limitsFault, parseLimits, unlimited } from '../../../src/limits/limits.ts'

const defaults = { call: { perMinute: 600, concurrency: Infinity, timeoutMs: 30_000, resultBytes: 1000 }, caller: { attemptsPerMinute: 3000, concurrency: 16, queue: 64, bodyBytes: 1000 } }
const invalid = (reason: string): Error => new Error(reason)
const rule = (value: unknown) => parseLimits('limits', value, invalid)

t.test('what is more specific holds, and of several roles the most generous', async (t) => {
  const perMinute = (declared: number | undefined, rules: unknown[], everybody: unknown = {}): number =>
    callLimits(defaults.call, 'search', declared === undefined ? {} : { perMinute: declared }, { rules: rules.map(rule), everybody: rule(everybody) }).perMinute

  t.equal(perMinute(undefined, []), 600, 'the setting')
  t.equal(perMinute(1000, []), 1000, 'the tool says otherwise')
  t.equal(perMinute(undefined, [], { perMinute: 50 }), 50, 'the file, for everybody')
  t.equal(perMinute(undefined, [{ perMinute: 70 }], { perMinute: 50 }), 70, 'the role before everybody')
  t.equal(perMinute(10, [{ perMinute: 70 }]), 10, 'what an operator says of all tools does not raise what one was declared with')
  t.equal(perMinute(100, [{ perMinute: 70 }]), 70, 'but lowers it')
  t.equal(perMinute(10, [{ perMinute: 70, tools: { search: { perMinute: 90 } } }]), 90, 'what it says of the tool does')
  t.equal(perMinute(10, [{ tools: { other: { perMinute: 90 } } }]), 10)
  t.equal(perMinute(10, [{}], { tools: { search: { perMinute: 20 } } }), 20)
  t.equal(perMinute(undefined, [{ perMinute: 5 }, { perMinute: 7 }, {}]), 7)
  t.equal(perMinute(undefined, [{ perMinute: 5 }, { perMinute: 0 }]), Infinity, '0 is no limit')
  t.equal(perMinute(undefined, [{ tools: { search: { perMinute: 0 } } }]), Infinity)
})

t.test('concurrency of a role is that of all its calls, of a tool that of its own', async (t) => {
  const rules = { rules: [rule({ concurrency: 4, queue: 0, attemptsPerMinute: 0, tools: { search: { concurrency: 2 } } })], everybody: rule({ concurrency: 3 }) }
  t.equal(callLimits(defaults.call, 'search', {}, rules).concurrency, 2)
  t.equal(callLimits(defaults.call, 'other', { concurrency: 9 }, rules).concurrency, 9)
  t.equal(callLimits(defaults.call, 'other', {}, rules).concurrency, Infinity)
  t.same(callerLimits(defaults.caller, rules), { concurrency: 4, queue: 0, attemptsPerMinute: Infinity, bodyBytes: 1000 })
  t.same(callerLimits(defaults.caller, { rules: [], everybody: rule({ concurrency: 3 }) }), { concurrency: 3, queue: 64, attemptsPerMinute: 3000, bodyBytes: 1000 })
  t.same(callerLimits(unlimited.caller, { rules: [], everybody: {} }), unlimited.caller)
})

t.test('what is no limit is refused with its place', async (t) => {
  const cases: Array<[value: unknown, reason: RegExp]> = [
    [null, /^limits must be a mapping/], [[], /must be a mapping/], [5, /must be a mapping/],
    [{ perMinutes: 5 }, /^limits has an unknown key "perMinutes"; the keys are perMinute, .*, tools$/],
    [{ perMinute: '5' }, /^limits\.perMinute must be a whole number, at least 0 \(0 is no limit\)$/], [{ perMinute: -1 }, /perMinute/], [{ perMinute: 1.5 }, /perMinute/], [{ perMinute: Infinity }, /perMinute/], [{ perMinute: null }, /perMinute/],
    [{ concurrency: 0 }, /^limits\.concurrency must be a whole number, at least 1$/], [{ timeoutMs: 0 }, /timeoutMs/], [{ resultBytes: 0 }, /resultBytes/], [{ queue: -1 }, /queue/],
    [{ tools: [] }, /^limits\.tools must be a mapping/], [{ tools: { search: 5 } }, /^limits\.tools\.search must be a mapping/], [{ tools: { search: { queue: 5 } } }, /^limits\.tools\.search has an unknown key "queue"; the keys are perMinute, concurrency, timeoutMs, resultBytes$/],
    [{ tools: { search: { tools: {} } } }, /unknown key "tools"/], [{ constructor: 5 }, /unknown key "constructor"/]
  ]
  for (const [value, reason] of cases) t.throws(() => rule(value), { message: reason }, JSON.stringify(value))
  t.match(limitsFault({ perMinute: -1 }), /^limits\.perMinute/)
  t.equal(limitsFault({ perMinute: 0, concurrency: 1, timeoutMs: 5, resultBytes: 9 }), undefined)
})
