import type pg from 'pg'
import { onDirectConnection } from './migrate.ts'

const chunkRows = 50_000

/**
 * Fills `records` with synthetic research records up to number `rows`. The same number always gives the same
 * records, so seeding again adds only what is missing.
 * @param onProgress told after each chunk how many numbers are done
 * @returns how many records were added
 */
export async function seed (connectionString: string, rows: number, onProgress: (done: number) => void = () => {}): Promise<number> {
  return await onDirectConnection(connectionString, async (client) => {
    // trigrams are kept aside and merged into their index in bulk: half the time of merging them row by row
    await client.query('set synchronous_commit = off; set gin_pending_list_limit = \'64MB\'; set work_mem = \'128MB\'; set maintenance_work_mem = \'256MB\'')
    let added = 0
    for (let done = 0; done < rows;) {
      const upTo = Math.min(rows, done + chunkRows)
      added += (await client.query(insertRecords, [done + 1, upTo])).rowCount ?? 0
      done = upTo
      onProgress(done)
    }
    await mergePending(client)
    await client.query('analyze records')
    return added
  })
}

/** A search reads all that was kept aside, so the first ones would pay for it. */
async function mergePending (client: pg.Client): Promise<void> {
  await client.query(`
    select gin_clean_pending_list(indexrelid::regclass) from pg_index
    join pg_class on pg_class.oid = indexrelid join pg_am on pg_am.oid = relam
    where indrelid = 'records'::regclass and amname = 'gin'`)
}

/** Seeds a database that has no records yet. */
export async function seedIfEmpty (connectionString: string, rows: number): Promise<number> {
  const isEmpty = await onDirectConnection(connectionString, async (client) => (await client.query('select 1 from records limit 1')).rowCount === 0)
  return isEmpty ? await seed(connectionString, rows) : 0
}

// Every choice is a bit of md5('record-' || n): deterministic, and spread without a visible pattern. Of the words some
// are in every record ('sample'), one in 16 (a subject), one in 100 ('replicated') and one in 250,000 ('holotype').
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
    from generate_series($1::int, $2::int) n
  )
  insert into records (id, name, description, status, type, category, metadata, created_at, updated_at)
  select
    hash::uuid,
    approach[1 + bits % 16] || ' ' || method[1 + (bits >> 4) % 16] || ' of ' || subject[1 + (bits >> 8) % 16] || ' #' || n,
    'Sample ' || type[1 + (bits >> 12) % 4] || ' on ' || subject[1 + (bits >> 8) % 16] || ', prepared with a ' || lower(approach[1 + bits % 16]) || ' ' || method[1 + (bits >> 4) % 16] || ' at site ' || (bits >> 16) % 500 || '.' || case when bits % 100 = 0 then ' Independently replicated.' else '' end || case when bits % 250007 = 0 then ' Holotype.' else '' end,
    status[1 + (bits >> 24) % 5],
    type[1 + (bits >> 12) % 4],
    category[1 + (bits >> 32) % 6],
    jsonb_build_object('site', (bits >> 16) % 500, 'samples', (bits >> 36) % 10000, 'peer_reviewed', (bits >> 50) % 2 = 1),
    timestamptz '2026-01-01 00:00:00+00' - n * interval '7 minutes',
    timestamptz '2026-01-01 00:00:00+00' - n * interval '7 minutes'
  from numbered, vocabulary
  on conflict (id) do nothing`
