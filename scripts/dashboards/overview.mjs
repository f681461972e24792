import { dashboard, here, orZero, quantile, spansP95, stat, timeseries } from './parts.mjs'

const bad = 'outcome=~"error|unavailable|timeout"'
const calls = (window, selector = '') => `sum(rate(mcp_tool_calls_total{${here}${selector}}[${window}]))`
const badRatio = (window) => `(${orZero(calls(window, `, ${bad}`))}) / ${calls(window)}`
const burnRate = (window) => `${badRatio(window)} / 0.005`

export default dashboard({
  uid: 'portcullis-overview',
  title: 'Portcullis / Overview',
  description: 'Is the server well: objective, traffic, errors, latency, saturation.',
  rows: [
    {
      title: 'Objective: 99.5 % of all tool calls end well',
      panels: [
        stat('Good calls', {
          description: 'Part of the tool calls in the chosen time that did not end as error, unavailable or timeout. What callers do wrong does not count.',
          unit: 'percentunit',
          steps: [{ color: 'red', value: null }, { color: 'green', value: 0.995 }],
          defaults: { decimals: 3 },
          queries: [{ expr: `1 - ${badRatio('$__range')}`, legend: 'good' }]
        }),
        stat('Burn rate', {
          description: 'How many times faster than it lasts the error budget is being spent. Alerts: 14.4 over an hour, 6 over six hours.',
          unit: 'none',
          width: 6,
          steps: [{ color: 'green', value: null }, { color: 'orange', value: 6 }, { color: 'red', value: 14.4 }],
          defaults: { decimals: 1 },
          queries: [{ expr: burnRate('1h'), legend: '1 h' }, { expr: burnRate('6h'), legend: '6 h' }]
        }),
        stat('Calls', {
          description: 'Tool calls per second, whatever their outcome.',
          unit: 'reqps',
          queries: [{ expr: calls('$__rate_interval'), legend: 'calls' }]
        }),
        stat('Requests refused', {
          description: 'Requests per second that were refused whole, before there was a tool call: wrong keys, foreign hosts, limits, overload.',
          unit: 'reqps',
          queries: [{ expr: orZero(`sum(rate(portcullis_requests_refused_total{${here}}[$__rate_interval]))`), legend: 'refused' }]
        }),
        stat('Servers', {
          description: 'Servers that report now. Fewer than there should be: some are gone, or what carries their metrics is.',
          unit: 'none',
          width: 3,
          queries: [{ expr: `count(portcullis_calls_active{${here}})`, legend: 'servers' }]
        }),
        stat('Youngest', {
          description: 'How long the server that started last has run. A short time again and again means that it is restarted.',
          unit: 's',
          width: 3,
          queries: [{ expr: `min(process_uptime_seconds{${here}})`, legend: 'uptime' }]
        })
      ]
    },
    {
      title: 'Golden signals',
      panels: [
        timeseries('Traffic: calls by outcome', {
          description: 'Tool calls per second by how they ended.',
          unit: 'reqps',
          width: 12,
          stack: true,
          queries: [{ expr: `sum by (outcome) (rate(mcp_tool_calls_total{${here}}[$__rate_interval]))`, legend: '{{outcome}}' }]
        }),
        timeseries('Errors: part of the calls that is bad', {
          description: 'Calls that ended as error, unavailable or timeout as a part of all. The objective allows 0.5 %.',
          unit: 'percentunit',
          width: 12,
          defaults: { min: 0, thresholds: { mode: 'absolute', steps: [{ color: 'green', value: null }, { color: 'red', value: 0.005 }] } },
          custom: { thresholdsStyle: { mode: 'line' } },
          queries: [
            { expr: badRatio('$__rate_interval'), legend: 'all bad' },
            { expr: `sum by (outcome) (rate(mcp_tool_calls_total{${here}, ${bad}}[$__rate_interval])) / scalar(${calls('$__rate_interval')})`, legend: '{{outcome}}' }
          ]
        }),
        timeseries('Latency of calls', {
          description: 'How long tool calls took, whatever their outcome, waiting for a turn and for the database included. The points are traces: click one to open it. They and "p95 of traces" come with a collector that makes metrics from spans.',
          unit: 's',
          width: 12,
          queries: [
            ...[0.5, 0.95, 0.99].map((q) => ({ expr: quantile(q, 'mcp_server_operation_duration_seconds', `${here}, mcp_method_name="tools/call"`), legend: `p${q * 100}`, exemplar: true })),
            spansP95()
          ]
        }),
        timeseries('Saturation: calls that run and wait', {
          description: 'Calls that run now, and calls that wait for their turn, over all chosen servers. A queue that stays is overload.',
          unit: 'none',
          width: 12,
          defaults: { min: 0 },
          queries: [
            { expr: `sum(portcullis_calls_active{${here}})`, legend: 'running' },
            { expr: `sum(portcullis_calls_queued{${here}})`, legend: 'waiting' }
          ]
        })
      ]
    },
    {
      title: 'Requests',
      panels: [
        timeseries('MCP requests by method', {
          description: 'MCP requests per second, lists and discovery included.',
          unit: 'reqps',
          queries: [{ expr: `sum by (mcp_method_name) (rate(mcp_server_operation_duration_seconds_count{${here}}[$__rate_interval]))`, legend: '{{mcp_method_name}}' }]
        }),
        timeseries('MCP latency by method, p95', {
          description: 'How long MCP requests took: 95 of 100 at most so long.',
          unit: 's',
          queries: [{ expr: quantile(0.95, 'mcp_server_operation_duration_seconds', here, 'mcp_method_name'), legend: '{{mcp_method_name}}', exemplar: true }]
        }),
        timeseries('HTTP answers by status', {
          description: 'HTTP answers per second by status code.',
          unit: 'reqps',
          stack: true,
          queries: [{ expr: `sum by (http_response_status_code) (rate(http_server_request_duration_seconds_count{${here}}[$__rate_interval]))`, legend: '{{http_response_status_code}}' }]
        })
      ]
    }
  ]
})
