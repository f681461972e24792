// Searches the records of a server and shows the first hit.
// Usage: client [URL]; a key in PORTCULLIS_API_KEY is sent along.
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'

const url = new URL(process.argv[2] ?? 'http://localhost:8000/mcp')
const key = process.env.PORTCULLIS_API_KEY
const headers: Record<string, string> = key === undefined ? {} : { Authorization: `Bearer ${key}` }

// 'auto' speaks revision 2026-07-28 where the server does; without it the client stays with 2025-11-25.
const client = new Client({ name: 'example-client', version: '1.0.0' }, { versionNegotiation: { mode: 'auto' } })
await client.connect(new StreamableHTTPClientTransport(url, { requestInit: { headers } }))

try {
  console.log(`Connected to ${client.getServerVersion()?.name}, revision ${client.getNegotiatedProtocolVersion()}`)

  const { tools } = await client.listTools()
  for (const { name, title } of tools) console.log(`  ${name}: ${title}`)

  const page = await call<{ total: number, results: Array<{ id: string }> }>('search_records', { query: 'battery', limit: 3 })
  console.log(`${page.total} records match "battery"`)

  const first = page.results[0]
  if (first !== undefined) console.log(await call('get_record_detail', { record_id: first.id }))
} finally {
  await client.close()
}

/** The result of a tool that answers with data; a tool that fails throws what it says. */
async function call<T> (name: string, args: Record<string, unknown>): Promise<T> {
  const result = await client.callTool({ name, arguments: args }, {
    onprogress: ({ progress, total, message }) => { console.log(`  ${name}: ${progress} of ${total ?? '?'} ${message ?? ''}`) },
    timeout: 60_000 // milliseconds; then the call is cancelled on the server too
  })
  if (result.isError === true) throw new Error(`${name}: ${JSON.stringify(result.content)}`)
  return result.structuredContent as T
}
