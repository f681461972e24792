import { createHash } from 'node:crypto'
import pg from 'pg'
import { DatabaseUnavailable } from '../errors.ts'
import type { Ask } from './leases.ts'

const answerWithinMs = 1_000

// The bucket refills by the database's clock, read once under the row's lock. What is given is at most an eighth of what
// is there, or what is needed at once, so that the last tokens are not held by one replica while another needs them.
const give = `
insert into rate_limits as r (bucket, tokens, granted, refilled_at)
values ($1, $2::float8 - least($3::int, $2::float8), least($3::int, $2::float8), clock_timestamp())
on conflict (bucket) do update set (tokens, granted, refilled_at) = (
  select available - given, given, at
  from (select clock_timestamp() as at) as c,
    lateral (select least($2::float8, r.tokens + greatest(0, extract(epoch from at - r.refilled_at)) * $2::float8 / 60) as available) as a,
    lateral (select case when $5 and available < $4::int then 0 else least(floor(available), greatest($4::int, least($3::int, floor(available / 8)))) end as given) as g
)
returning granted, tokens as left`

const forgetFull = 'delete from rate_limits where refilled_at < now() - interval \'1 minute\''

/** The buckets of table `rate_limits`, which all replicas share; who a bucket belongs to is stored as a digest. */
export function askPostgres (pool: Pick<pg.Pool, 'query'>): { ask: Ask, forgetFull: () => Promise<void> } {
  // One message for all three: the role's transactions are read-only by default, and no setting of a session outlives a pooler.
  const write = async <R extends pg.QueryResultRow>(statement: string, values: unknown[] = []): Promise<R[]> => {
    const text = `begin read write; ${statement.replace(/\$(\d)/g, (_, number) => pg.escapeLiteral(String(values[Number(number) - 1])))}; commit`
    let timer: NodeJS.Timeout | undefined
    try {
      const late = new Promise<never>((_resolve, reject) => { timer = setTimeout(reject, answerWithinMs, Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' })) })
      const results = await Promise.race([pool.query({ text, query_timeout: answerWithinMs } as pg.QueryConfig), late])
      return (results as unknown as [pg.QueryResult, pg.QueryResult<R>, pg.QueryResult])[1].rows
    } catch (cause) {
      throw Object.assign(new DatabaseUnavailable(), { cause })
    } finally {
      clearTimeout(timer)
    }
  }
  return {
    ask: async (key, perMinute, most, wanted, isAllOrNothing) => {
      const [row] = await write<{ granted: number, left: number }>(give, [createHash('sha256').update(key).digest('hex'), perMinute, most, wanted, isAllOrNothing])
      return row as { granted: number, left: number }
    },
    forgetFull: async () => { await write(forgetFull) }
  }
}
