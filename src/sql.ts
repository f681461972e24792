import { storable } from './storable.ts'

/** A statement or fragment made by the `sql` tag: text with $1, $2 … and the values bound to them. */
export class Sql {
  readonly strings: readonly string[]
  readonly values: readonly unknown[]

  constructor (strings: readonly string[], values: readonly unknown[]) {
    this.strings = strings
    this.values = values
  }

  get text (): string {
    return this.strings.reduce((text, part, index) => `${text}$${index}${part}`)
  }
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

/** The statement, planned anew for its values at each execution: where one plan can't serve them all. */
export function replanned (statement: Sql): Sql {
  return Object.assign(new Sql(statement.strings, statement.values), { replanned: true })
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

/** A timestamptz as ISO 8601 text with all its microseconds; `infinity` and far years stay what they are. */
export function isoTime (name: Sql): Sql {
  return sql`(to_jsonb(${name}) #>> '{}')`
}
