import pg from 'pg'
import t from 'tap'
import { positionOf, searchStatement, type Found, type Search, type SearchedTable } from '../../../src/search/statement.ts'
import { seed } from '../../../src/seed.ts'
import { containing } from '../../../src/sql.ts'
import { sql } from '../../../src/sql.ts'
import { planOf, ranNodes, type PlanNode } from '../../helpers/plan.ts'
import { migratedDatabase } from '../../helpers/postgres.ts'

const rows = 40_000
const records: SearchedTable = { name: 'records', text: ['name', 'description'], filters: ['category', 'status', 'type'], columns: ['name', 'status'] }
const search = (query: string, rest: Partial<Search> = {}): Search => ({ query, filters: {}, order: 'newest', limit: 20, offset: 0, ...rest })

/** What the sample looks at, and what a plan may touch beside: pages, index entries, the rows of the page. */
const sampleBlocks = 2_000

t.test('search over a table that is too large to read', async (t) => {
  const url = await migratedDatabase(t)
  await seed(url, rows)
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query(`
    with oldest as (select id from records order by created_at limit 15000)
    update records set description = description || ' Parchment.' where id in (select id from oldest)`)
  await client.query('update records set name = name || \' incunabulum\' where id in (select id from records order by id limit 7)')
  await client.query('update records set status = \'embargoed\' where id in (select id from records order by id desc limit 9)')
  await client.query('update records set created_at = (select created_at from records order by created_at desc offset 50 limit 1) where id in (select id from records order by created_at desc limit 200)')
  await client.query('vacuum analyze records')

  const find = async (asked: Search): Promise<Found[]> => {
    const { text, values } = searchStatement(records, asked)
    return (await client.query(text, [...values])).rows
  }
  const naive = async ({ query, filters }: Search): Promise<string[]> => {
    const { rows } = await client.query(`
      select id from records where (name ilike $1 or description ilike $1) and ($2::text is null or status = $2) and ($3::text is null or type = $3) and ($4::text is null or category = $4)
      order by created_at desc, id desc`, [containing(query), filters.status, filters.type, filters.category])
    return rows.map(({ id }) => id)
  }

  const terms = ['zzyzx', 'incunabulum', 'cunabul', 'site 17.', 'replicated', 'glacier', 'lacie', 'parchment', 'SAMPLE', 'mpl', '', 'of', '.', '#9', 'quantum survey', '100%']
  const filters: Array<Search['filters']> = [{}, { status: 'active' }, { status: 'embargoed' }, { status: 'active', type: 'dataset' }, { status: 'archived', type: 'report', category: 'health' }, { category: 'none' }]

  await t.test('finds what a plain scan finds, page by page; a total that is exact is right, another one is no more than the truth', async (t) => {
    for (const query of terms) {
      for (const filter of filters) {
        const asked = search(query, { filters: filter, limit: 100 })
        const truth = await naive(asked)
        const seen: string[] = []
        let after: string[] | undefined
        for (let page = 0; page < 4; page++) {
          const found = await find({ ...asked, after })
          const { total, is_exact: isExact } = found[0] as Found
          if (isExact ? total !== truth.length : total > truth.length) t.fail(`"${query}" ${JSON.stringify(filter)}: ${total} of ${truth.length}`)
          if (!isExact && truth.length <= 700 && query.length !== 1 && query.length !== 2) t.fail(`"${query}" ${JSON.stringify(filter)}: few, and not counted`)
          const results = found.filter(({ id }) => id !== null).slice(0, 100)
          seen.push(...results.map(({ id }) => id as string))
          after = found.length > 100 ? positionOf(results.at(-1) as Found) : undefined
          if (after === undefined) break
        }
        t.same(seen, truth.slice(0, 400), `"${query}" ${JSON.stringify(filter)}`)
      }
    }
  })

  await t.test('offset skips, as far as it may', async (t) => {
    const asked = search('glacier', { limit: 5 })
    const truth = await naive(asked)
    for (const offset of [0, 7, 1500, 10_000]) t.same((await find({ ...asked, offset })).map(({ id }) => id).slice(0, 5).filter((id) => id !== null), truth.slice(offset, offset + 5))
  })

  await t.test('rank orders the same newest matches on every page, though records are added', async (t) => {
    const asked = search('glacier', { order: 'rank', limit: 70 })
    const first = await find(asked)
    await client.query('begin')
    await client.query('insert into records (name) select \'glacier glacier \' || n from generate_series(1, 30) n')
    const rest: Found[] = []
    for (let after = positionOf(first[69] as Found), page: Found[]; ; after = positionOf(page[69] as Found)) {
      page = await find({ ...asked, after })
      rest.push(...page.slice(0, 70))
      if (page.length <= 70) break
    }
    await client.query('rollback')
    const ids = [...first.slice(0, 70), ...rest].map(({ id }) => id)
    t.same(ids.toSorted(), (await naive(asked)).slice(0, 200).toSorted(), 'the newest 200, each once')
  })

  const bitmaps = (nodes: PlanNode[]): PlanNode[] => nodes.filter((node) => node['Node Type'] === 'Bitmap Index Scan')
  const walked = (nodes: PlanNode[]): number => Math.max(0, ...nodes.filter((node) => node['Node Type'] === 'Index Scan' && node['Actual Loops'] === 1).map((node) => node['Actual Rows']))
  const half = async (): Promise<string[]> => Object.values((await client.query('select created_at::text, id from records order by created_at desc, id desc offset $1 limit 1', [rows / 2])).rows[0])

  await t.test('the plan is the same for every text of three letters', async (t) => {
    for (const rest of [{}, { order: 'rank' as const }, { after: await half() }]) {
      const plans = await Promise.all(terms.filter((term) => term.length > 2).map(async (query) => await planOf(client, searchStatement(records, search(query, rest)))))
      t.equal(new Set(plans).size, 1)
    }
  })

  await t.test('no part of it runs in parallel, however cheap that were', async (t) => {
    await client.query('set parallel_setup_cost = 0; set parallel_tuple_cost = 0; set min_parallel_table_scan_size = 0; set min_parallel_index_scan_size = 0')
    t.match(await planOf(client, sql`select count(*) from records where description ilike ${'%sample%'}`), /Gather/, 'others would')
    for (const rest of [{}, ...filters.map((filters) => ({ filters })), { after: await half() }, { order: 'rank' as const }]) t.notMatch(await planOf(client, searchStatement(records, search('glacier', rest))), /Gather|Parallel/, JSON.stringify(rest))
    await client.query('reset parallel_setup_cost; reset parallel_tuple_cost; reset min_parallel_table_scan_size; reset min_parallel_index_scan_size')
  })

  await t.test('never reads the table from end to end', async (t) => {
    for (const query of terms) {
      for (const rest of [...filters.map((filters) => ({ filters })), { after: await half() }, { order: 'rank' as const }]) {
        const { nodes } = await ranNodes(client, searchStatement(records, search(query, rest)))
        const scans = nodes.filter((node) => node['Node Type'] === 'Seq Scan' && node['Relation Name'] === 'records')
        if (scans.length > 0) t.fail(`"${query}" ${JSON.stringify(rest)}`)
      }
    }
  })

  await t.test('what is rare comes from the trigram index, first page or deep; nothing is walked', async (t) => {
    for (const query of ['zzyzx', 'incunabulum', 'cunabul', 'site 17.']) {
      for (const rest of [{}, { after: await half() }, { filters: { status: 'active' } }, { filters: { status: 'active', type: 'dataset' } }]) {
        const { nodes, blocks } = await ranNodes(client, searchStatement(records, search(query, rest)))
        t.same(bitmaps(nodes).map((node) => node['Index Name']), ['idx_records_name_trgm', 'idx_records_description_trgm'], `${query} ${JSON.stringify(rest)}`)
        t.ok(walked(nodes) <= 21)
        t.ok(blocks < sampleBlocks + 1_000, `${blocks} blocks`)
      }
    }
  })

  await t.test('what is common comes from a short walk of the newest, first page or deep; no bitmap is made', async (t) => {
    for (const [query, most] of [['sample', 100], ['mpl', 100], ['glacier', 2_000], ['lacie', 2_000]] as const) {
      for (const rest of [{}, { after: await half() }, { filters: { status: 'active' } }]) {
        const { nodes, blocks } = await ranNodes(client, searchStatement(records, search(query, rest)))
        t.same(bitmaps(nodes), [], `${query} ${JSON.stringify(rest)}`)
        t.ok(walked(nodes) <= most, `${walked(nodes)} rows`)
        t.ok(blocks < sampleBlocks + 2 * most + 300, `${blocks} blocks`)
      }
    }
  })

  await t.test('what is common in the past alone ends the walk early and comes from the index', async (t) => {
    const { nodes } = await ranNodes(client, searchStatement(records, search('parchment')))
    t.equal(walked(nodes), 10_000)
    t.equal(bitmaps(nodes).length, 2)
  })

  await t.test('a filter that few records fit is what they are found by, however common the text', async (t) => {
    const { nodes, blocks } = await ranNodes(client, searchStatement(records, search('sample', { filters: { status: 'embargoed' } })))
    t.notMatch(bitmaps(nodes).map((node) => node['Index Name']).join(), /trgm/)
    t.ok(blocks < sampleBlocks + 300, `${blocks} blocks`)
  })

  await t.test('two letters are looked for in the newest 100,000 and no index is read whole', async (t) => {
    const { nodes } = await ranNodes(client, searchStatement(records, search('zq')))
    t.same(bitmaps(nodes), [])
    t.match((await find(search('zq')))[0], { total: 0, is_exact: true }, 'which is exact where there are fewer')
  })
  await client.end()
})
