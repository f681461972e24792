#!/usr/bin/env bash
# Builds the program that test/deploy loads compose.yaml with, once for each state of what it is built from.
# `--where` only says where it is, or would be.
set -euo pipefail
cd "$(dirname "$0")/../.."
cache=${XDG_CACHE_HOME:-$HOME/.cache}/portcullis
sources=$(find scripts/tools/compose.sh ci/go/compose -type f | LC_ALL=C sort | xargs sha256sum)
program=$cache/bin/compose-$(sha256sum <<< "$sources" | cut -c 1-16)

if [ "${1:-}" = --where ] || [ -x "$program" ]; then echo "$program"; exit; fi
command -v go > /dev/null || { echo 'the compose loader is not built: go is not installed' >&2; exit 1; }

mkdir -p "$cache/bin"
(cd ci/go/compose && GOTOOLCHAIN=local CGO_ENABLED=0 go build -o "$program.new" .)
mv "$program.new" "$program" # last: what was interrupted is not there
find "$cache/bin" -name 'compose-*' -mtime +30 -delete
echo "$program"
