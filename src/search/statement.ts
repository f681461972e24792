import { and, column, containing, isoTime, replanned, sql, type Sql } from '../sql.ts'
import { sampleOf } from './sample.ts'
import { hasTrigram } from './trigrams.ts'

/**
 * A table with `id uuid`, `created_at timestamptz` and columns of text, with these indexes: (created_at desc, id desc),
 * the same behind each filter column, and a trigram index on each text column.
 */
export interface SearchedTable {
  name: string
  /** From the one that counts most in a ranking; at most four. */
  text: readonly string[]
  filters: readonly string[]
  /** What a caller gets of each row, beside `id` and `created_at`. */
  columns: readonly string[]
}

export interface Search {
  query: string
  filters: Readonly<Record<string, string | undefined>>
  order: 'newest' | 'rank'
  limit: number
  offset: number
  /** Where the last page ended: `positionOf` its last row. */
  after?: readonly string[]
}

/** Each row; an empty page is a single one whose `id` is null. */
export interface Found {
  total: number
  is_exact: boolean
  id: string | null
  created_at: string
  rank: string | null
  newest_at: string | null
  newest_id: string | null
}

/** Tables up to this size are counted in full. */
const smallTable = 10_000
/** More matches than this, by the estimate, are not counted; nor are they when an index has to read more rows than that to find them. */
const countedMatches = 1_000
const readMatches = 5_000
/** How far the newest rows are walked before an index has to find the matches. */
const walkedRows = 10_000
/** The same among the rows of one filter, where the index finds more that does not fit. */
const walkedFiltered = 30_000
const walkedPerSkipped = 20
/** The same for a text that no index can find. */
export const walkedUnindexed = 100_000
/** Ranked are the newest matches, at most this many. */
export const rankedMatches = 200
/** Where fewer are found by walking, the index finds them all. */
const rankedAtLeast = 20

/** True, and nothing that runs in parallel: starting workers takes longer than a page, and takes the processors from other calls. */
const alone = sql`pg_backend_pid() > 0`

/** What the next page has to know of this row. */
export function positionOf ({ created_at: createdAt, id, rank, newest_at: newestAt, newest_id: newestId }: Found): string[] {
  return [createdAt, id, rank, newestAt, newestId].filter((part) => part !== null)
}

/**
 * One page of matches, one row more than `limit` when there are more, and the total behind it, from one snapshot.
 *
 * Common texts are found by walking the newest rows, rare ones by the index; a sample of the table decides, and the walk
 * ends early for what the sample took for common. The text is hidden from the planner in a subquery, so the plan is the
 * same for every text, and its parts run or do not run by what was counted. See docs/performance.md.
 */
export function searchStatement (table: SearchedTable, search: Search): Sql {
  const { query, limit, offset, order, after } = search
  const from = column(table.name, [table.name])
  const matches = query === '' ? sql`true` : either(table.text.map((name) => sql`${column(name, table.text)} ilike (select pattern from asked)`))
  const filters = table.filters.filter((name) => search.filters[name] !== undefined).map((name) => sql`${column(name, table.filters)} = ${search.filters[name]}`)
  const fits = and(filters)
  const isIndexed = hasTrigram(query)
  const isWalkedOnly = query !== '' && !isIndexed
  const canGather = isIndexed || (query === '' && filters.length > 1)

  const within = order === 'rank' ? upTo(after) : before(after)
  const newestFirst = sql`from ${from} where ${filters[0] ?? sql`true`} and ${within} and ${alone} order by created_at desc, id desc`
  const needed = order === 'rank' ? rankedAtLeast : limit + offset + 1
  const collected = order === 'rank' ? rankedMatches : needed
  const skipped = order === 'rank' ? 0 : offset // ranked are the same matches on every page
  const walked = isWalkedOnly ? walkedUnindexed : (filters.length === 0 ? walkedRows : walkedFiltered) + walkedPerSkipped * skipped
  const isFew = isWalkedOnly ? sql`size.rows <= ${smallTable}` : sql`size.rows <= ${smallTable} or least(text_hits, filter_hits) = 0 or (hits / nullif(seen, 0) * size.rows <= ${countedMatches} and least(text_hits, filter_hits) / nullif(seen, 0) * size.rows <= ${readMatches})`

  return replanned(sql`
    with asked as materialized (
      select ${containing(query)}::text as pattern
    ), sample as materialized (
      ${sampleOf({ name: table.name, from, matches, fits })}
    ), size as materialized (
      select greatest(reltuples, seen, seen_of_all)::float8 as rows from pg_class, sample where oid = ${table.name}::regclass
    ), estimate as materialized (
      select hits, ${query !== ''} and text_hits <= filter_hits as is_text_rarer, coalesce(${isFew}, true) as is_few from sample, size
    ), walked as materialized (
      select created_at, id from (select * ${newestFirst} limit ${walked}) newest
      where ${matches} and ${fits} and (select not is_few from estimate)
      order by created_at desc, id desc limit ${collected}
    ), counted as materialized (
      select *, (select count(*) from walked) as walked, (select count(*) from walked) >= ${needed} as is_enough from estimate
    ), way as materialized (
      select *, is_few or (${canGather} and not is_enough and not is_all) as is_gathered
      from (select *, not is_few and not is_enough and not exists (select ${newestFirst} offset ${walked} limit 1) as is_all from counted) walk
    ), gathered as materialized (
      select created_at, id from ${from} where ${matches} and coalesce(${fits}, false) and (select is_gathered and is_text_rarer from way) and ${alone}
      union all
      select created_at, id from ${from} where coalesce(${matches}, false) and ${fits} and (select is_gathered and not is_text_rarer from way) and ${alone}
    ), found as (
      select created_at, id from walked where (select not is_gathered from way)
      union all
      select created_at, id from gathered where ${within}
    ), page as (
      ${order === 'rank' ? rankedPage(table, search) : newestPage(search)}
    ), total as (
      select case when is_gathered then (select count(*) from gathered) else greatest(hits, walked) end::int as total,
        is_gathered or (is_all and ${after === undefined}) as is_exact
      from way
    )
    select total.total, total.is_exact, row.*
    from total left join lateral (
      select result.id, ${isoTime(sql`result.created_at`)} as created_at, ${list(table.columns)},
        page.rank::text as rank, ${isoTime(sql`page.newest_at`)} as newest_at, page.newest_id
      from page join ${from} result on result.id = page.id
      order by page.rank desc, page.created_at desc, page.id desc
    ) row on true`)
}

function newestPage ({ limit, offset }: Search): Sql {
  return sql`
    select *, null::float8 as rank, null::timestamptz as newest_at, null::uuid as newest_id
    from found order by created_at desc, id desc limit ${limit + 1} offset ${offset}`
}

/** Whole words first, by how often and where they are found; then the newest. The newest of them all keeps later ones out of the next page. */
function rankedPage (table: SearchedTable, { query, limit, offset, after }: Search): Sql {
  const vectors = table.text.map((name, index) => sql`setweight(to_tsvector('simple', coalesce(${column(name, table.text)}, '')), ${'ABCD'[index]})`)
  const vector = vectors.reduce((all, one) => sql`${all} || ${one}`)
  const from = column(table.name, [table.name])
  return sql`
    select * from (
      select newest.created_at, newest.id, ts_rank(${vector}, plainto_tsquery('simple', ${query}))::float8 as rank,
        first_value(newest.created_at) over newest_first as newest_at, first_value(newest.id) over newest_first as newest_id
      from (select * from found order by created_at desc, id desc limit ${rankedMatches}) newest join ${from} ranked on ranked.id = newest.id
      window newest_first as (order by newest.created_at desc, newest.id desc)
    ) ranked
    where ${after === undefined ? sql`true` : sql`(rank, created_at, id) < (${after[2]}::float8, ${after[0]}::timestamptz, ${after[1]}::uuid)`}
    order by rank desc, created_at desc, id desc limit ${limit + 1} offset ${offset}`
}

function before (after: Search['after']): Sql {
  return after === undefined ? sql`true` : sql`(created_at, id) < (${after[0]}::timestamptz, ${after[1]}::uuid)`
}

function upTo (after: Search['after']): Sql {
  return after === undefined ? sql`true` : sql`(created_at, id) <= (${after[3]}::timestamptz, ${after[4]}::uuid)`
}

function either (conditions: readonly Sql[]): Sql {
  return sql`(${conditions.reduce((all, condition) => sql`${all} or ${condition}`)})`
}

function list (columns: readonly string[]): Sql {
  return columns.map((name) => sql`result.${column(name, columns)}`).reduce((all, one) => sql`${all}, ${one}`)
}
