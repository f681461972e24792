#!/usr/bin/env bash
# Builds the collector that test/deploy checks collector/*.yaml with, once for each state of what it is built from.
# `--where` only says where it is, or would be.
set -euo pipefail
cd "$(dirname "$0")/../.."
ocb=go.opentelemetry.io/collector/cmd/builder@v0.159.0
cache=${XDG_CACHE_HOME:-$HOME/.cache}/portcullis
sources=$(find scripts/tools/collector.sh collector/builder/full.yaml ci/go/stubs -type f | LC_ALL=C sort | xargs sha256sum)
collector=$cache/bin/otelcol-$(sha256sum <<< "$sources" | cut -c 1-16)

if [ "${1:-}" = --where ] || [ -x "$collector" ]; then echo "$collector"; exit; fi
command -v go > /dev/null || { echo 'the collector is not built: go is not installed' >&2; exit 1; }

mkdir -p "$cache/bin"
work=$(mktemp -d "$cache/collector-build-XXXXXX")
trap 'rm -rf "$work"' EXIT
echo "building the collector: minutes, 4 GB of memory and 4 of disk, unless Go has it in its own cache" >&2
env GOTOOLCHAIN=local CGO_ENABLED=0 dist.output_path="$work/otelcol" \
  go run "$ocb" --config=collector/builder/full.yaml --skip-strict-versioning=false > "$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
mv "$work/otelcol/otelcol" "$collector" # last: what was interrupted is not there
find "$cache/bin" -name 'otelcol-*' -mtime +30 -delete
find "$cache" -maxdepth 1 -name 'collector-build-*' -mmin +120 -exec rm -rf {} + # of builds that were killed
echo "$collector"
