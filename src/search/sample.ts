import { sql, type Sql } from '../sql.ts'

const blocks = 100
const rowsOfBlock = 20
/** Spreads any number of blocks evenly over the table, the same for the same table. */
const goldenRatio = 0.6180339887498949

/**
 * Looks at up to 2,000 rows all over the table, however large it is: how many there are (`seen`), match and fit (`hits`),
 * match (`text_hits`), fit (`filter_hits`), and how many rows the table has if all of it is like them (`seen_of_all`).
 */
export function sampleOf ({ name, from, matches, fits }: { name: string, from: Sql, matches: Sql, fits: Sql }): Sql {
  return sql`
    select count(*)::float8 as seen, (count(*) filter (where ${matches} and ${fits}))::float8 as hits,
      count(*) filter (where ${matches}) as text_hits, count(*) filter (where ${fits}) as filter_hits,
      count(*) * ${blocksOf(name)} / ${blocks}::float8 as seen_of_all
    from ${from} where ctid = any (array(
      select format('(%s,%s)', trunc(${blocksOf(name)} * (block * ${goldenRatio}::float8 - trunc(block * ${goldenRatio}::float8))), place)::tid
      from generate_series(1, ${blocks}) block, generate_series(1, ${rowsOfBlock}) place))`
}

function blocksOf (name: string): Sql {
  return sql`(select pg_relation_size(${name}::regclass) / current_setting('block_size')::int)`
}
