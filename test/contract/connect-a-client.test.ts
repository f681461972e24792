/* eslint-disable no-template-curly-in-string */
import t from 'tap'
import { docBlocks } from '../helpers/doc-blocks.ts'

const page = 'docs/connect-a-client.md'
const blocks = docBlocks(page)
const url = 'http://localhost:8000/mcp'

const files = blocks.filter(({ language }) => language === 'json')
const configurations = (file: string): any[] => files.filter(({ words }) => words.includes(file)).map(({ code }) => JSON.parse(code))

t.test('every configuration file has the keys that its client documents', async (t) => {
  t.same(configurations('.mcp.json'), [
    { mcpServers: { portcullis: { type: 'http', url, headers: { Authorization: 'Bearer ${PORTCULLIS_API_KEY}' } } } }
  ], 'https://code.claude.com/docs/en/mcp')

  t.same(configurations('.cursor/mcp.json'), [
    { mcpServers: { portcullis: { url } } },
    { mcpServers: { portcullis: { url, headers: { Authorization: 'Bearer ${env:PORTCULLIS_API_KEY}' } } } }
  ], 'https://cursor.com/docs/mcp')

  const [open, locked] = configurations('.vscode/mcp.json')
  t.same(open, { servers: { portcullis: { type: 'http', url } } }, 'https://code.visualstudio.com/docs/copilot/reference/mcp-configuration')
  t.match(locked.inputs, [{ type: 'promptString', id: 'portcullis-key', description: String, password: true }])
  t.same(locked.servers, { portcullis: { type: 'http', url, headers: { Authorization: 'Bearer ${input:portcullis-key}' } } })

  const bridge = ['-y', 'mcp-remote@0.15.1', url]
  t.same(configurations('claude_desktop_config.json'), [
    { mcpServers: { portcullis: { command: 'npx', args: bridge } } },
    { mcpServers: { portcullis: { command: 'npx', args: [...bridge, '--header', 'Authorization:${AUTH_HEADER}'], env: { AUTH_HEADER: 'Bearer <key>' } } } }
  ], 'https://github.com/geelen/mcp-remote')

  t.equal(files.length, 7, 'no file is left unchecked')
})

t.test('claude mcp add names the transport, and the header comes after the address', async (t) => {
  const commands = blocks.flatMap(({ code }) => code.split('\n')).filter((line) => line.startsWith('claude '))
  t.same(commands, [
    `claude mcp add --transport http portcullis ${url}`,
    `claude mcp add --transport http portcullis ${url} --header "Authorization: Bearer $PORTCULLIS_API_KEY"`
  ])
})
