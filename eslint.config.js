import neostandard, { plugins } from 'neostandard'

/** SQL that is not written with the `sql` tag: text built from pieces, or handed to a query as it is. */
const stringBuiltSql = {
  selector: 'CallExpression[callee.property.name=/^(query|one|value|execute)$/] > :matches(TemplateLiteral, Literal, BinaryExpression).arguments:first-child',
  message: 'Write the statement with the sql tag: sql`...`; every value becomes a parameter.'
}
const sqlOutsideTheTag = {
  selector: ':not(TaggedTemplateExpression) > TemplateLiteral[expressions.length>0] > TemplateElement[value.raw=/(^|\\s)(select|insert\\s+into|update|delete\\s+from)\\s/i]',
  message: 'Write the statement with the sql tag: sql`...`; every value becomes a parameter.'
}
const sqlByConcatenation = {
  selector: 'BinaryExpression[operator="+"] > Literal[value=/(^|\\s)(select|insert\\s+into|update|delete\\s+from)\\s/i]',
  message: 'Write the statement with the sql tag: sql`...`; every value becomes a parameter.'
}
const ownSql = {
  selector: 'NewExpression[callee.name="Sql"]',
  message: 'Statements are made by the sql tag alone.'
}

export default [
  ...neostandard({ ts: true, ignores: ['dist/**', 'dist-*/**', '.tap/**'] }),
  {
    files: ['**/*.ts'],
    ignores: ['config/load.ts', 'test/**', 'scripts/**'],
    plugins: { n: plugins.n },
    rules: { 'n/no-process-env': 'error' }
  },
  {
    files: ['test/**/*.ts'],
    rules: { camelcase: 'off' } // the contract's argument names
  },
  {
    files: ['tools/**/*.ts'],
    rules: {
      'no-restricted-imports': ['error', { patterns: [{ group: ['**/plugins/*', 'pg', '@fastify/postgres'], message: 'A tool reads through call.db; it imports no plugin and no driver.' }] }],
      'no-restricted-syntax': ['error', stringBuiltSql, sqlOutsideTheTag, sqlByConcatenation, ownSql]
    }
  },
  {
    files: ['src/**/*.ts'],
    ignores: ['src/app.ts'],
    rules: { 'no-restricted-imports': ['error', { paths: ['fastify-plugin'], patterns: [{ group: ['**/plugins/*'], message: 'src/ works without Fastify; plugins/ wires it.' }] }] }
  }
]
