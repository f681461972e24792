import type { Metric } from './metrics.ts'

/** The catalogue as a table of docs/observe.md. */
export function metricsTable (catalogue: Readonly<Record<string, Metric>>): string {
  const rows = Object.values(catalogue).map(({ name, kind, unit, description, attributes = [] }) =>
    `| \`${name}\` | ${kindName(kind)}, ${unit} | ${description} | ${attributes.map((attribute) => `\`${attribute}\``).join(', ')} |`)
  return ['| metric | kind, unit | what it tells | attributes |', '|---|---|---|---|', ...rows].join('\n') + '\n'
}

function kindName (kind: Metric['kind']): string {
  if (kind === 'observableCounter') return 'counter'
  return kind === 'counter' || kind === 'histogram' ? kind : 'gauge'
}
