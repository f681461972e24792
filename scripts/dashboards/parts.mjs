/** A variable, so that the same file works whatever the data source is called. */
const datasource = { type: 'prometheus', uid: '$datasource' }

/** The servers that are chosen above; job and instance exist however the metrics came to Prometheus. */
export const here = 'job=~"$job", instance=~"$instance"'

/** 0 where nothing of the kind ever happened, and nothing where no server reports. */
export const orZero = (expr) => `${expr} or 0 * count(portcullis_calls_active{${here}})`

/** Of a histogram, named without `_bucket`; by: labels to keep. */
export const quantile = (q, histogram, selector, by = '') =>
  `histogram_quantile(${q}, sum by (le${by === '' ? '' : `, ${by}`}) (rate(${histogram}_bucket{${selector}}[$__rate_interval])))`

/** How long tool calls took by their spans: the collector makes it (span_metrics), and it alone has exemplars, which lead to traces. */
export const spansP95 = (selector = '') => ({
  expr: quantile(0.95, 'traces_span_metrics_duration_seconds', `${here}, span_name=~"tools/call .*"${selector}`),
  legend: 'p95 of traces',
  exemplar: true
})

/** A dashboard of rows of panels, laid out from left to right. */
export function dashboard ({ uid, title, description, variables = [], rows }) {
  return {
    uid,
    title,
    description,
    tags: ['portcullis'],
    schemaVersion: 42,
    version: 1,
    editable: true,
    graphTooltip: 1,
    time: { from: 'now-1h', to: 'now' },
    refresh: '30s',
    timezone: 'browser',
    links: [{ type: 'dashboards', title: 'Portcullis', tags: ['portcullis'], includeVars: true, keepTime: true, asDropdown: false, targetBlank: false, icon: 'external link', tooltip: '', url: '' }],
    annotations: { list: [] },
    templating: {
      list: [
        { type: 'datasource', name: 'datasource', label: 'Data source', query: 'prometheus', includeAll: false, multi: false, refresh: 1, regex: '', hide: 0, options: [] },
        choice('job', 'Service', 'label_values(portcullis_calls_active, job)'),
        choice('instance', 'Server', 'label_values(portcullis_calls_active{job=~"$job"}, instance)'),
        ...variables
      ]
    },
    panels: laidOut(rows)
  }
}

/** A variable that is filled by a query, of which some or all values are chosen. */
export function choice (name, label, query) {
  return { type: 'query', name, label, datasource, query: { qryType: 1, query, refId: name }, includeAll: true, multi: true, allValue: '.*', current: { selected: true, text: ['All'], value: ['$__all'] }, refresh: 2, sort: 1, regex: '', hide: 0, options: [] }
}

export const timeseries = (title, { stack = false, ...rest }) => panel('timeseries', title, {
  ...rest,
  custom: { drawStyle: 'line', lineWidth: 1, fillOpacity: stack ? 30 : 10, showPoints: 'never', spanNulls: false, stacking: { mode: stack ? 'normal' : 'none', group: 'A' }, ...rest.custom },
  options: { legend: { displayMode: 'table', placement: 'bottom', showLegend: true, calcs: ['mean', 'max'] }, tooltip: { mode: 'multi', sort: 'desc' } }
})

export const stat = (title, { steps, ...rest }) => panel('stat', title, {
  width: 4,
  height: 4,
  ...rest,
  defaults: { ...rest.defaults, ...steps === undefined ? {} : { thresholds: { mode: 'absolute', steps } } },
  options: { colorMode: steps === undefined ? 'none' : 'value', graphMode: 'area', justifyMode: 'auto', orientation: 'auto', reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false }, textMode: 'auto' }
})

export const bars = (title, rest) => panel('bargauge', title, {
  ...rest,
  queries: rest.queries.map((query) => ({ ...query, instant: true })),
  options: { displayMode: 'basic', orientation: 'horizontal', showUnfilled: true, valueMode: 'color', reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false } }
})

export const heatmap = (title, rest) => panel('heatmap', title, {
  ...rest,
  queries: rest.queries.map((query) => ({ ...query, format: 'heatmap' })),
  options: { calculate: false, cellGap: 1, color: { mode: 'scheme', scheme: 'Oranges', steps: 64, exponent: 0.5, fill: 'dark-orange', reverse: false }, yAxis: { unit: rest.unit, axisPlacement: 'left', reverse: false }, legend: { show: true }, tooltip: { mode: 'single', yHistogram: true }, exemplars: { color: 'rgba(255,0,255,0.7)' }, rowsFrame: { layout: 'auto' } }
})

/** One row for each value of a label, one column for each query: its legend is the heading, its unit the column's. */
export const table = (title, { label, ...rest }) => panel('table', title, {
  ...rest,
  queries: rest.queries.map((query) => ({ ...query, instant: true, format: 'table' })),
  overrides: rest.queries.map(({ legend, unit }) => ({ matcher: { id: 'byName', options: legend }, properties: [{ id: 'unit', value: unit }] })),
  transformations: [
    { id: 'joinByField', options: { byField: label, mode: 'outer' } },
    { id: 'filterFieldsByName', options: { include: { pattern: `^(${label}|Value.*)$` } } },
    { id: 'organize', options: { renameByName: Object.fromEntries(rest.queries.map(({ legend }, index) => [`Value #${refId(index)}`, legend])) } }
  ],
  options: { showHeader: true, cellHeight: 'sm', sortBy: [{ displayName: rest.queries[0].legend, desc: true }] }
})

function panel (type, title, { description, unit, queries, width = 8, height = 8, custom, defaults = {}, overrides = [], options = {}, transformations }) {
  return {
    type,
    title,
    description,
    datasource,
    gridPos: { w: width, h: height },
    fieldConfig: { defaults: { unit, ...defaults, ...custom === undefined ? {} : { custom } }, overrides },
    options,
    ...transformations === undefined ? {} : { transformations },
    targets: queries.map(({ expr, legend, exemplar = false, instant = false, format = 'time_series' }, index) => ({ refId: refId(index), datasource, editorMode: 'code', expr, legendFormat: legend, exemplar, instant, range: !instant, format }))
  }
}

const refId = (index) => String.fromCharCode(65 + index)

function laidOut (rows) {
  let y = 0
  let id = 1
  return rows.flatMap(({ title, panels }) => {
    const placed = [{ type: 'row', id: id++, title, collapsed: false, gridPos: { x: 0, y: y++, w: 24, h: 1 }, panels: [] }]
    let x = 0
    let height = 0
    for (const panel of panels) {
      const { w, h } = panel.gridPos
      if (x + w > 24) { x = 0; y += height; height = 0 }
      placed.push({ id: id++, ...panel, gridPos: { x, y, w, h } })
      x += w
      height = Math.max(height, h)
    }
    y += height
    return placed
  })
}
