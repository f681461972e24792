import { bars, dashboard, here, orZero, stat, timeseries } from './parts.mjs'

const calls = (by, outcome) => `sum by (${by}) (rate(mcp_tool_calls_total{${here}${outcome === undefined ? '' : `, outcome=~"${outcome}"`}}[$__rate_interval]))`
const duringRange = (by, outcome) => `sum by (${by}) (increase(mcp_tool_calls_total{${here}, outcome="${outcome}"}[$__range]))`

export default dashboard({
  uid: 'portcullis-access',
  title: 'Portcullis / Access',
  description: 'Who calls, and who is turned away: allowlist, credentials, limits.',
  rows: [
    {
      title: 'Who calls',
      panels: [
        timeseries('Calls by kind of caller', {
          description: 'Tool calls per second by what the caller showed: an API key, an OAuth token, or nothing (development only).',
          unit: 'reqps',
          stack: true,
          width: 12,
          queries: [{ expr: calls('principal_kind'), legend: '{{principal_kind}}' }]
        }),
        timeseries('Part of the calls that is denied, by kind of caller', {
          description: 'Calls of tools that the allowlist does not let the caller use, as a part of the caller\'s calls. High and steady: an agent believes in a tool that it may not call.',
          unit: 'percentunit',
          width: 12,
          defaults: { min: 0 },
          queries: [{ expr: `${calls('principal_kind', 'denied')} / ${calls('principal_kind')}`, legend: '{{principal_kind}}' }]
        })
      ]
    },
    {
      title: 'Who is turned away',
      panels: [
        timeseries('Calls that were not let in', {
          description: 'Calls per second that ended as denied (allowlist), limited (the caller\'s own limits) or unknown (no tool has that name).',
          unit: 'reqps',
          queries: [{ expr: calls('outcome', 'denied|limited|unknown'), legend: '{{outcome}}' }]
        }),
        timeseries('Requests refused, by reason', {
          description: 'Requests per second that were refused whole, before there was a tool call.',
          unit: 'reqps',
          queries: [
            { expr: orZero(`sum(rate(portcullis_requests_refused_total{${here}}[$__rate_interval]))`), legend: 'all' },
            { expr: `sum by (reason) (rate(portcullis_requests_refused_total{${here}}[$__rate_interval]))`, legend: '{{reason}}' }
          ]
        }),
        stat('Changes of policy', {
          description: 'Changes of the allowlist and of the file of keys in the chosen time, by whether they were taken over. While a file is in error, the last good one stays in force.',
          unit: 'none',
          width: 8,
          height: 8,
          defaults: { decimals: 0 },
          queries: [
            { expr: orZero(`sum(increase(portcullis_policy_reloads_total{${here}, outcome="ok"}[$__range]))`), legend: 'taken over' },
            { expr: orZero(`sum(increase(portcullis_policy_reloads_total{${here}, outcome="error"}[$__range]))`), legend: 'in error' }
          ]
        }),
        bars('Denied calls by tool', {
          description: 'Calls in the chosen time that the allowlist refused.',
          unit: 'short',
          width: 12,
          queries: [{ expr: `topk(10, ${duringRange('tool', 'denied')})`, legend: '{{tool}}' }]
        }),
        bars('Limited calls by tool', {
          description: 'Calls in the chosen time that were over the caller\'s own limits (docs/limits.md).',
          unit: 'short',
          width: 12,
          queries: [{ expr: `topk(10, ${duringRange('tool', 'limited')})`, legend: '{{tool}}' }]
        })
      ]
    }
  ]
})
