import { storable } from './storable.ts'

/** A statement or fragment made by the `sql` tag: text with $1, $2 … and the values bound to them. */
export class Sql {
  readonly strings: readonly string[]
  readonly values: readonly unknown[]
  /** See `replanned`. */
  readonly isReplanned: boolean = false

  constructor (strings: readonly string[], values: readonly unknown[]) {
    this.strings = strings
    this.values = values
  }

  get text (): string {
    return this.strings.reduce((text, part, index) => `${text}$${index}${part}`)
  }
}

class ReplannedSql extends Sql {
  override readonly isReplanned = true
}

/** A statement that nobody at home wrote. */
export class ForeignSql extends Sql {}

/**
 * The same statement, planned for its values each time: statements are prepared, and after some executions PostgreSQL may
 * keep one plan for all values, which is wrong where it depends on them (a rare word, a frequent one).
 */
export function replanned ({ strings, values }: Sql): Sql {
  return new ReplannedSql(strings, values)
}

/**
 * SQL from elsewhere, such as a model's. Only a tool that declares `foreignSql: true` may run it, in a read-only
 * transaction that is always rolled back, on a connection that nobody gets after it.
 */
export function foreign (text: string): Sql {
  return new ForeignSql([text], [])
}

/**
 * Builds a statement: every value becomes a parameter, fragments made by the tag are spliced in.
 * Identifiers come from `column` alone.
 */
export function sql (strings: TemplateStringsArray, ...values: unknown[]): Sql {
  const texts: string[] = [strings[0] as string]
  const bound: unknown[] = []
  const append = (text: string): void => { texts[texts.length - 1] += text }

  values.forEach((value, index) => {
    if (value instanceof Sql) {
      append(value.strings[0] as string)
      value.values.forEach((inner, position) => {
        bound.push(inner)
        texts.push(value.strings[position + 1] as string)
      })
    } else {
      bound.push(storable(value))
      texts.push('')
    }
    append(strings[index + 1] as string)
  })
  return new Sql(texts, bound)
}

/**
 * An identifier out of a closed set, quoted.
 * @throws TypeError when the name is not in the set
 */
export function column (name: string, allowed: readonly string[]): Sql {
  if (!allowed.includes(name)) throw new TypeError('column name outside its closed set')
  return new Sql([`"${name.replaceAll('"', '""')}"`], [])
}

/** Conditions joined by AND; none of them means every row. */
export function and (conditions: readonly Sql[]): Sql {
  return conditions.length === 0 ? sql`true` : conditions.slice(1).reduce((all, condition) => sql`${all} and ${condition}`, conditions[0] as Sql)
}

/** A LIKE pattern that finds the text anywhere, with the three special characters of LIKE taken literally. */
export function containing (text: string): string {
  return `%${text.replace(/[\\%_]/g, '\\$&')}%`
}

/**
 * A timestamptz as ISO 8601 text in UTC with all its microseconds, whatever the time zone of the session; `infinity`, years
 * before Christ and far ones stay what they are.
 */
export function isoTime (name: Sql): Sql {
  return sql`regexp_replace(to_jsonb(${name} at time zone 'UTC') #>> '{}', '([0-9])( BC)?$', '\\1+00:00\\2')`
}
