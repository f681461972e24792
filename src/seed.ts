import { onDirectConnection } from './migrate.ts'

/**
 * Fills `records` with synthetic research records up to number `rows`. The same number always gives the same
 * records, so seeding again adds only what is missing.
 * @returns how many records were added
 */
export async function seed (connectionString: string, rows: number): Promise<number> {
  return await onDirectConnection(connectionString, async (client) => {
    const { rowCount } = await client.query(insertRecords, [rows])
    await client.query('analyze records')
    return rowCount ?? 0
  })
}

/** Seeds a database that has no records yet. */
export async function seedIfEmpty (connectionString: string, rows: number): Promise<number> {
  const isEmpty = await onDirectConnection(connectionString, async (client) => (await client.query('select 1 from records limit 1')).rowCount === 0)
  return isEmpty ? await seed(connectionString, rows) : 0
}

// Every choice is a bit of md5('record-' || n): deterministic, and spread without a visible pattern.
const insertRecords = `
  with vocabulary as (
    select
      array['Adaptive', 'Comparative', 'Longitudinal', 'Statistical', 'Experimental', 'Predictive', 'Spatial', 'Molecular', 'Seasonal', 'Acoustic', 'Thermal', 'Genomic', 'Optical', 'Coastal', 'Urban', 'Quantum'] as approach,
      array['survey', 'analysis', 'model', 'assessment', 'review', 'simulation', 'trial', 'inventory', 'mapping', 'forecast', 'catalogue', 'measurement', 'reconstruction', 'screening', 'benchmark', 'atlas'] as method,
      array['river sediments', 'migratory birds', 'solar panels', 'soil microbes', 'glacier melt', 'bridge vibrations', 'pollinator decline', 'sleep patterns', 'battery ageing', 'coral reefs', 'traffic noise', 'wheat varieties', 'cloud formation', 'protein folding', 'wind turbines', 'language change'] as subject,
      array['active', 'active', 'active', 'inactive', 'archived'] as status,
      array['dataset', 'article', 'protocol', 'report'] as type,
      array['biology', 'climate', 'engineering', 'health', 'linguistics', 'physics'] as category
  ), numbered as (
    select n, md5('record-' || n) as hash, ('x' || substr(md5('record-' || n), 1, 15))::bit(60)::bigint as bits
    from generate_series(1, $1::int) n
  )
  insert into records (id, name, description, status, type, category, metadata, created_at, updated_at)
  select
    hash::uuid,
    approach[1 + bits % 16] || ' ' || method[1 + (bits >> 4) % 16] || ' of ' || subject[1 + (bits >> 8) % 16] || ' #' || n,
    'Sample ' || type[1 + (bits >> 12) % 4] || ' on ' || subject[1 + (bits >> 8) % 16] || ', prepared with a ' || lower(approach[1 + bits % 16]) || ' ' || method[1 + (bits >> 4) % 16] || ' at site ' || (bits >> 16) % 500 || '.',
    status[1 + (bits >> 24) % 5],
    type[1 + (bits >> 12) % 4],
    category[1 + (bits >> 32) % 6],
    jsonb_build_object('site', (bits >> 16) % 500, 'samples', (bits >> 36) % 10000, 'peer_reviewed', (bits >> 50) % 2 = 1),
    timestamptz '2026-01-01 00:00:00+00' - n * interval '7 minutes',
    timestamptz '2026-01-01 00:00:00+00' - n * interval '7 minutes'
  from numbered, vocabulary
  on conflict (id) do nothing`
