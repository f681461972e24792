import type pg from 'pg'
import type { Sql } from '../../src/sql.ts'

export interface PlanNode {
  'Node Type': string
  'Relation Name'?: string
  'Index Name'?: string
  'Actual Rows': number
  'Actual Loops': number
  'Shared Hit Blocks': number
  'Shared Read Blocks': number
  'Rows Removed by Filter'?: number
  Plans?: PlanNode[]
}

/** Runs the statement and tells which nodes of its plan ran, and how many blocks they touched in all. */
export async function ranNodes (client: pg.Client, { text, values }: Sql): Promise<{ nodes: PlanNode[], blocks: number }> {
  const { rows } = await client.query(`explain (analyze, buffers, timing off, format json) ${text}`, [...values])
  const root = rows[0]['QUERY PLAN'][0].Plan as PlanNode
  return { nodes: flat(root).filter((node) => node['Actual Loops'] > 0), blocks: root['Shared Hit Blocks'] + root['Shared Read Blocks'] }
}

/** The plan as text without its literals, not run. */
export async function planOf (client: pg.Client, { text, values }: Sql): Promise<string> {
  const { rows } = await client.query(`explain (costs off) ${text}`, [...values])
  return rows.map((row) => row['QUERY PLAN']).join('\n').replaceAll(/'(?:[^']|'')*'/g, '?')
}

function flat (node: PlanNode): PlanNode[] {
  return [node, ...(node.Plans ?? []).flatMap(flat)]
}
