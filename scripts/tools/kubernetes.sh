#!/usr/bin/env bash
# Builds what test/deploy checks rendered objects with: kubeconform and kube-score, the k8s-check of ci/go, and strict schemas
# of all kinds from the modules that define them. `--where` only says where the folder is, or would be.
set -euo pipefail
cd "$(dirname "$0")/../.."
cache=${XDG_CACHE_HOME:-$HOME/.cache}/portcullis
sources=$(find scripts/tools/kubernetes.sh scripts/k8s-schemas.mjs ci/go/k8s-check -type f | LC_ALL=C sort | xargs sha256sum)
folder=$cache/kubernetes-$(sha256sum <<< "$sources" | cut -c 1-16)

if [ "${1:-}" = --where ] || [ -d "$folder" ]; then echo "$folder"; exit; fi
command -v go > /dev/null || { echo 'kubeconform, kube-score and k8s-check are not built: go is not installed' >&2; exit 1; }

mkdir -p "$cache"
work=$(mktemp -d "$cache/kubernetes-build-XXXXXX")
trap 'rm -rf "$work"' EXIT
export GOTOOLCHAIN=local CGO_ENABLED=0
GOBIN=$work go install github.com/yannh/kubeconform/cmd/kubeconform@v0.7.0
GOBIN=$work go install github.com/zegl/kube-score/cmd/kube-score@v1.20.0
(cd ci/go/k8s-check && go build -o "$work/k8s-check" .)

# Each module and where it has its schemas; that of Kubernetes first, as the others' metadata is its.
module () { go mod download -json "$1" | node -p 'JSON.parse(require("fs").readFileSync(0)).Dir'; }
builtin=$(module k8s.io/kubernetes@v1.36.3)/api/openapi-spec/v3
crds=()
while read -r name path; do crds+=("$(module "$name")/$path"); done << 'MODULES'
sigs.k8s.io/gateway-api@v1.6.3 config/crd/standard
github.com/external-secrets/external-secrets@v1.3.2 config/crds/bases
github.com/kedacore/keda/v2@v2.20.2 config/crd/bases
github.com/prometheus-operator/prometheus-operator@v0.93.0 example/prometheus-operator-crd
MODULES
node scripts/k8s-schemas.mjs "$work/schemas" "$builtin" "${crds[@]}" >&2
mkdir "$work/crds"
for dir in "${crds[@]}"; do cp --no-preserve=mode "$dir"/*.yaml "$work/crds/"; done

mv "$work" "$folder" # last: what was interrupted is not there
trap - EXIT
find "$cache" -maxdepth 1 -name 'kubernetes-*' ! -path "$folder" -mtime +30 -exec rm -rf {} +
echo "$folder"
