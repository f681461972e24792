import { dashboard, here, orZero, quantile, stat, timeseries } from './parts.mjs'

const pool = 'db_client_connection_pool_name'
const poolOf = `{{instance}} {{${pool}}}`
const rate = (metric, by) => `sum by (${by}) (rate(${metric}{${here}}[$__rate_interval]))`
const perServer = (metric, selector = '') => `${metric}{${here}${selector}}`

export default dashboard({
  uid: 'portcullis-runtime-db',
  title: 'Portcullis / Database and runtime',
  description: 'Connections, statements, event loop, memory and CPU of each server.',
  rows: [
    {
      title: 'Connections',
      panels: [
        timeseries('Connections by state', {
          description: 'Open connections of all chosen servers by pool and state, and the most that the pools may open.',
          unit: 'none',
          defaults: { min: 0 },
          queries: [
            { expr: `sum by (${pool}, db_client_connection_state) (db_client_connection_count{${here}})`, legend: `{{${pool}}} {{db_client_connection_state}}` },
            { expr: `sum by (${pool}) (db_client_connection_max{${here}})`, legend: `{{${pool}}} most` }
          ]
        }),
        timeseries('Part of the pool in use', {
          description: 'Connections in use as a part of the most that the pool may open, by server. Alert: above 90 % for five minutes.',
          unit: 'percentunit',
          defaults: { min: 0, max: 1 },
          queries: [{ expr: `sum by (instance, ${pool}) (db_client_connection_count{${here}, db_client_connection_state="used"}) / sum by (instance, ${pool}) (db_client_connection_max{${here}})`, legend: poolOf }]
        }),
        timeseries('Calls that wait for a connection', {
          description: 'Calls that have their turn and no connection yet, by server. Alert: some at every look for ten minutes.',
          unit: 'none',
          defaults: { min: 0 },
          queries: [{ expr: `sum by (instance, ${pool}) (db_client_connection_pending_requests{${here}})`, legend: poolOf }]
        }),
        timeseries('Wait for a connection, p95', {
          description: '95 of 100 calls waited at most so long. DB_ACQUIRE_TIMEOUT_MS is the longest wait.',
          unit: 's',
          queries: [{ expr: quantile(0.95, 'db_client_connection_wait_time_seconds', here, pool), legend: `{{${pool}}}`, exemplar: true }]
        }),
        timeseries('Calls that got no connection', {
          description: 'Calls per second that waited for DB_ACQUIRE_TIMEOUT_MS in vain and ended as unavailable.',
          unit: 'reqps',
          queries: [{ expr: orZero(`sum(rate(db_client_connection_timeouts_total{${here}}[$__rate_interval]))`), legend: 'no connection' }]
        }),
        timeseries('Longest use of a connection', {
          description: 'How long the connection that was lent longest ago has been out. Minutes mean that a statement or a tool hangs.',
          unit: 's',
          queries: [{ expr: `max by (instance, ${pool}) (portcullis_db_connection_oldest_use_seconds{${here}})`, legend: poolOf }]
        })
      ]
    },
    {
      title: 'Statements of tools',
      panels: [
        timeseries('Statements', {
          description: 'Statements of tools per second by kind, such as SELECT.',
          unit: 'ops',
          queries: [{ expr: rate('db_client_operation_duration_seconds_count', 'db_operation_name'), legend: '{{db_operation_name}}' }]
        }),
        timeseries('Time of statements, p95', {
          description: '95 of 100 statements took at most so long.',
          unit: 's',
          queries: [{ expr: quantile(0.95, 'db_client_operation_duration_seconds', here, 'db_operation_name'), legend: '{{db_operation_name}}', exemplar: true }]
        }),
        timeseries('Statements that failed', {
          description: 'Statements per second that failed, by SQLSTATE or kind of error: 57014 was cancelled or ran out of time, 40001 and 40P01 were in each other\'s way, 53300 is too many connections.',
          unit: 'ops',
          queries: [
            { expr: orZero(`sum(rate(db_client_operation_duration_seconds_count{${here}, error_type!=""}[$__rate_interval]))`), legend: 'all' },
            { expr: `sum by (error_type) (rate(db_client_operation_duration_seconds_count{${here}, error_type!=""}[$__rate_interval]))`, legend: '{{error_type}}' }
          ]
        })
      ]
    },
    {
      title: 'Node.js',
      panels: [
        timeseries('Delay of the event loop', {
          description: 'How late the event loop was since the last look: mean, 99th percentile and longest of the worst server. Requests are refused from a mean of 250 ms on (SHED_EVENT_LOOP_MS); alert at half of that.',
          unit: 's',
          queries: ['mean', 'p99', 'max'].map((what) => ({ expr: `max(${perServer(`nodejs_eventloop_delay_${what}_seconds`)})`, legend: what }))
        }),
        timeseries('Use of the event loop', {
          description: 'Part of the time in which the event loop had something to do, by server. One process uses one core.',
          unit: 'percentunit',
          defaults: { min: 0, max: 1 },
          queries: [{ expr: `max by (instance) (${perServer('nodejs_eventloop_utilization_ratio')})`, legend: '{{instance}}' }]
        }),
        timeseries('CPU', {
          description: 'Cores that the process uses, by server, all threads together.',
          unit: 'none',
          defaults: { min: 0 },
          queries: [{ expr: rate('process_cpu_time_seconds_total', 'instance'), legend: '{{instance}}' }]
        }),
        timeseries('Resident memory', {
          description: 'Memory that the process holds, by server. Requests are refused above 90 % of the container\'s limit (SHED_RSS_BYTES).',
          unit: 'bytes',
          defaults: { min: 0 },
          queries: [{ expr: `max by (instance) (${perServer('process_memory_usage_bytes')})`, legend: '{{instance}}' }]
        }),
        timeseries('Heap', {
          description: 'Used part of the heap and its size, by server, all spaces together. Used that never falls is a leak.',
          unit: 'bytes',
          defaults: { min: 0 },
          queries: [
            { expr: `sum by (instance) (${perServer('v8js_memory_heap_used_bytes')})`, legend: '{{instance}} used' },
            { expr: `sum by (instance) (${perServer('v8js_memory_heap_space_size_bytes')})`, legend: '{{instance}} size' }
          ]
        }),
        timeseries('Garbage collection', {
          description: 'Part of the time that goes into garbage collection, by server and kind. Much of major: the heap is too small.',
          unit: 'percentunit',
          defaults: { min: 0 },
          queries: [{ expr: rate('v8js_gc_duration_seconds_sum', 'instance, v8js_gc_type'), legend: '{{instance}} {{v8js_gc_type}}' }]
        }),
        stat('Connections of the main pool', {
          description: 'mcp.db.pool_size: open connections of the pool of DATABASE_URL, over all chosen servers.',
          unit: 'none',
          width: 12,
          queries: [{ expr: `sum(mcp_db_pool_size{${here}})`, legend: 'connections' }]
        }),
        stat('Uptime', {
          description: 'How long each server has run since it was started.',
          unit: 's',
          width: 12,
          queries: [{ expr: `max by (instance) (${perServer('process_uptime_seconds')})`, legend: '{{instance}}' }]
        })
      ]
    }
  ]
})
