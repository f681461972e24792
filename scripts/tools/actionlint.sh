#!/usr/bin/env bash
# Builds actionlint, with which test/deploy checks the workflows. `--where` only says where it is, or would be.
set -euo pipefail
module=github.com/rhysd/actionlint/cmd/actionlint version=v1.7.12
cache=${XDG_CACHE_HOME:-$HOME/.cache}/portcullis
actionlint=$cache/bin/actionlint-$version

if [ "${1:-}" = --where ] || [ -x "$actionlint" ]; then echo "$actionlint"; exit; fi
command -v go > /dev/null || { echo 'actionlint is not built: go is not installed' >&2; exit 1; }

mkdir -p "$cache/bin"
work=$(mktemp -d "$cache/actionlint-build-XXXXXX")
trap 'rm -rf "$work"' EXIT
GOBIN=$work GOTOOLCHAIN=local CGO_ENABLED=0 go install "$module@$version"
mv "$work/actionlint" "$actionlint" # last: what was interrupted is not there
find "$cache/bin" -name 'actionlint-*' -mtime +30 -delete
find "$cache" -maxdepth 1 -name 'actionlint-build-*' -mmin +120 -exec rm -rf {} + # of builds that were killed
echo "$actionlint"
