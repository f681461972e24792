import type { Test } from 'tap'
import type { AnyClient } from './clients.ts'

/** What every client must get from every shipped tool, from one that doesn't exist, and for a wrong argument. */
export async function callEveryTool (t: Test, { call, list }: AnyClient, { records, moreTools = [] }: { records: number, moreTools?: string[] }): Promise<void> {
  t.same(await list(), ['get_pool_status', 'get_record_detail', 'get_statistics', 'search_records', ...moreTools].sort())

  const page = (await call('search_records', { query: 'SAMPLE', limit: 3 })).structuredContent
  t.match(page, { total: records, limit: 3, offset: 0, query: 'SAMPLE', results: { length: 3 } })
  const detail = await call('get_record_detail', { record_id: page.results[0].id })
  t.match(detail.structuredContent, { id: page.results[0].id, name: page.results[0].name, metadata: { site: Number } })
  t.same(JSON.parse(detail.content[0].text), detail.structuredContent)
  t.equal((await call('get_statistics', { group_by: 'category' })).structuredContent.total, records)
  t.match((await call('get_pool_status', {})).structuredContent, { server: 'healthy', database: { status: 'healthy' } })

  t.match(await call('get_record_detail', { record_id: 'nope' }), { isError: true })
  t.match(await call('search_records', { query: 5 }), { isError: true, content: [{ text: /query must be a string/ }] })
  await t.rejects(call('no_such_tool', {}), { message: /no_such_tool'? not found/ })
}
