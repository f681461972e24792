#!/bin/sh
# The protocol by hand: discover, list and call, in both eras.
# Usage: client.sh [URL]; a key in PORTCULLIS_API_KEY is sent along.
set -eu

url=${1:-http://localhost:8000/mcp}
key=${PORTCULLIS_API_KEY:-}

# post BODY [CURL OPTIONS]: one request; an answer that comes as an event stream is reduced to its messages
post () {
  body=$1
  shift
  answer=$(curl -sS --fail-with-body "$url" ${key:+-H "Authorization: Bearer $key"} "$@" \
    -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' -d "$body") || {
    printf '%s\n' "$answer" >&2
    exit 1
  }
  printf '%s\n' "$answer" | sed -e '/^event:/d' -e '/^$/d' -e 's/^data: //'
}

# Revision 2026-07-28: no handshake. Each request says in _meta who asks, and repeats revision, method and tool in its headers.
meta='"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}'
modern='MCP-Protocol-Version: 2026-07-28'

echo '== 2026-07-28: what the server is'
post '{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{'"$meta"'}}' -H "$modern" -H 'Mcp-Method: server/discover'

echo '== 2026-07-28: its tools'
post '{"jsonrpc":"2.0","id":2,"method":"tools/list","params":{'"$meta"'}}' -H "$modern" -H 'Mcp-Method: tools/list'

echo '== 2026-07-28: search'
found=$(post '{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"search_records","arguments":{"query":"battery","limit":1},'"$meta"'}}' \
  -H "$modern" -H 'Mcp-Method: tools/call' -H 'Mcp-Name: search_records')
printf '%s\n' "$found"

echo '== 2026-07-28: the first hit'
id=$(printf '%s' "$found" | sed 's/.*"structuredContent":{"results":\[{"id":"\([^"]*\)".*/\1/')
post '{"jsonrpc":"2.0","id":4,"method":"tools/call","params":{"name":"get_record_detail","arguments":{"record_id":"'"$id"'"},'"$meta"'}}' \
  -H "$modern" -H 'Mcp-Method: tools/call' -H 'Mcp-Name: get_record_detail'

# Revision 2025-11-25 and older: the client introduces itself first. This server keeps no session, so nothing has to be sent back.
legacy='MCP-Protocol-Version: 2025-11-25'

echo '== 2025-11-25: hello'
post '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"client.sh","version":"1.0.0"}}}'
post '{"jsonrpc":"2.0","method":"notifications/initialized"}' -H "$legacy"

echo '== 2025-11-25: its tools'
post '{"jsonrpc":"2.0","id":2,"method":"tools/list"}' -H "$legacy"

echo '== 2025-11-25: counts'
post '{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"get_statistics","arguments":{"group_by":"status"}}}' -H "$legacy"
