import { bars, choice, dashboard, heatmap, here as servers, quantile, spansP95, table, timeseries } from './parts.mjs'

const here = `${servers}, tool=~"$tool"`
const bad = 'outcome=~"error|unavailable|timeout"'
const rate = (metric, by, selector = '') => `sum by (${by}) (rate(${metric}{${here}${selector}}[$__rate_interval]))`
const duringRange = (metric, by, selector = '') => `sum by (${by}) (increase(${metric}{${here}${selector}}[$__range]))`

export default dashboard({
  uid: 'portcullis-tools',
  title: 'Portcullis / Tools',
  description: 'Which tool is called how often, how fast it is and how its calls end.',
  variables: [choice('tool', 'Tool', 'label_values(mcp_tool_calls_total{job=~"$job"}, tool)')],
  rows: [
    {
      title: 'Tools',
      panels: [
        table('Every tool in the chosen time', {
          label: 'tool',
          description: 'Calls, the part that ended as error, unavailable or timeout, and the time that 95 of 100 calls took at most. _OTHER stands for every name that no tool has.',
          unit: 'none',
          width: 24,
          queries: [
            { legend: 'calls', unit: 'short', expr: duringRange('mcp_tool_calls_total', 'tool') },
            { legend: 'bad', unit: 'percentunit', expr: `${duringRange('mcp_tool_calls_total', 'tool', `, ${bad}`)} / ${duringRange('mcp_tool_calls_total', 'tool')}` },
            { legend: 'p95', unit: 'ms', expr: `histogram_quantile(0.95, ${duringRange('mcp_tool_duration_milliseconds_bucket', 'tool, le')})` },
            { legend: 'p95 of the wait for a turn', unit: 's', expr: `histogram_quantile(0.95, ${duringRange('portcullis_calls_queue_duration_seconds_bucket', 'tool, le')})` }
          ]
        }),
        timeseries('Calls by tool', {
          description: 'Calls per second by tool, whatever their outcome.',
          unit: 'reqps',
          width: 12,
          stack: true,
          queries: [{ expr: rate('mcp_tool_calls_total', 'tool'), legend: '{{tool}}' }]
        }),
        timeseries('Calls that did not end well, by outcome', {
          description: 'Calls per second with another outcome than ok and input_required. error, unavailable and timeout are ours; tool_error, invalid, unknown, denied and limited are answers; cancelled: the caller left.',
          unit: 'reqps',
          width: 12,
          stack: true,
          queries: [{ expr: rate('mcp_tool_errors_total', 'outcome'), legend: '{{outcome}}' }]
        })
      ]
    },
    {
      title: 'Latency',
      panels: [
        heatmap('Latency of calls', {
          description: 'How many calls per second took how long. Two bands mean two kinds of calls.',
          unit: 'ms',
          width: 12,
          queries: [{ expr: rate('mcp_tool_duration_milliseconds_bucket', 'le'), legend: '{{le}}', exemplar: true }]
        }),
        timeseries('Latency by tool, p95', {
          description: '95 of 100 calls took at most so long. The points are traces: click one to open it. They and "p95 of traces" come with a collector that makes metrics from spans.',
          unit: 's',
          width: 12,
          queries: [
            { expr: quantile(0.95, 'mcp_server_operation_duration_seconds', `${servers}, gen_ai_tool_name=~"$tool", mcp_method_name="tools/call"`, 'gen_ai_tool_name'), legend: '{{gen_ai_tool_name}}', exemplar: true },
            spansP95(', gen_ai_tool_name=~"$tool"')
          ]
        }),
        timeseries('Wait for a turn by tool, p95', {
          description: 'How long calls that ran had waited for their turn, because others ran: CALL_CONCURRENCY.',
          unit: 's',
          width: 12,
          queries: [{ expr: quantile(0.95, 'portcullis_calls_queue_duration_seconds', here, 'tool'), legend: '{{tool}}', exemplar: true }]
        }),
        timeseries('Latency by outcome, p95', {
          description: 'Refusals are quick and timeouts are slow: look at ok to judge a tool.',
          unit: 'ms',
          width: 12,
          queries: [{ expr: quantile(0.95, 'mcp_tool_duration_milliseconds', here, 'outcome'), legend: '{{outcome}}', exemplar: true }]
        })
      ]
    },
    {
      title: 'What goes wrong with which tool',
      panels: [
        timeseries('Bad calls by tool', {
          description: 'Calls per second that ended as error, unavailable or timeout: the server\'s own.',
          unit: 'reqps',
          queries: [{ expr: rate('mcp_tool_calls_total', 'tool, outcome', `, ${bad}`), legend: '{{tool}}: {{outcome}}' }]
        }),
        timeseries('What models get wrong, by tool', {
          description: 'Calls per second with arguments that the schema refuses (invalid) or an answer such as "not found" (tool_error). Many of them: the description of the tool could be clearer.',
          unit: 'reqps',
          queries: [{ expr: rate('mcp_tool_calls_total', 'tool, outcome', ', outcome=~"invalid|tool_error"'), legend: '{{tool}}: {{outcome}}' }]
        }),
        bars('Most denied tools', {
          description: 'Calls in the chosen time that the allowlist refused, of the ten tools with most of them.',
          unit: 'short',
          queries: [{ expr: `topk(10, ${duringRange('mcp_tool_calls_total', 'tool', ', outcome="denied"')})`, legend: '{{tool}}' }]
        })
      ]
    }
  ]
})
