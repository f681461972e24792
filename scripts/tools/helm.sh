#!/usr/bin/env bash
# Builds helm, with which test/deploy renders and installs the chart. `--where` only says where it is, or would be.
set -euo pipefail
version=v4.2.4 # renovate: helm/helm
cache=${XDG_CACHE_HOME:-$HOME/.cache}/portcullis
helm=$cache/bin/helm-$version

if [ "${1:-}" = --where ] || [ -x "$helm" ]; then echo "$helm"; exit; fi
command -v go > /dev/null || { echo 'helm is not built: go is not installed' >&2; exit 1; }

mkdir -p "$cache/bin"
work=$(mktemp -d "$cache/helm-build-XXXXXX")
trap 'rm -rf "$work"' EXIT
GOBIN=$work GOTOOLCHAIN=local CGO_ENABLED=0 go install "helm.sh/helm/v4/cmd/helm@$version"
mv "$work/helm" "$helm" # last: what was interrupted is not there
find "$cache/bin" -name 'helm-*' -mtime +30 -delete
find "$cache" -maxdepth 1 -name 'helm-build-*' -mmin +120 -exec rm -rf {} + # of builds that were killed
echo "$helm"
