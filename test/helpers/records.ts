import { runSql } from './postgres.ts'

/** Three records of the contract's fixture, all with one created_at. */
export async function insertSampleRecords (url: string, tag = 'fixture'): Promise<string[]> {
  const [result] = await runSql(url, `
    insert into records (name, description, status, type, category, metadata, created_at)
    select 'Integration-${tag}-' || n, 'Sample ' || n, (array['active', 'inactive', 'active'])[n + 1], (array['typeA', 'typeB', 'typeA'])[n + 1], (array['cat1', 'cat2', 'cat1'])[n + 1], '{"a": 1}', '2026-01-01T00:00:00.123456Z'
    from generate_series(0, 2) n
    returning id`)
  return (result as { rows: Array<{ id: string }> }).rows.map(({ id }) => id)
}
