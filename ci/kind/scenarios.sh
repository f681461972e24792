#!/usr/bin/env bash
# Every scenario of the chart before the API server that kubectl speaks to, which stores none of it; the custom kinds are of
# the versions that scripts/tools/kubernetes.sh names.
set -euo pipefail
cd "$(dirname "$0")/../.."
operator=v0.158.0 # renovate: open-telemetry/opentelemetry-operator, whose module can't be had

crds=()
while read -r module path; do
  folder=$(go mod download -json "$module" | sed -n 's,^\t"Dir": "\(.*\)".*,\1,p')/$path
  mapfile -t -O "${#crds[@]}" crds < <(grep -l '^kind: CustomResourceDefinition' "$folder"/*.yaml)
done < <(sed -n "/<< 'MODULES'/,/^MODULES/p" scripts/tools/kubernetes.sh | grep @)
crds+=("https://raw.githubusercontent.com/open-telemetry/opentelemetry-operator/$operator/config/crd/bases/opentelemetry.io_opentelemetrycollectors.yaml")
kubectl apply --server-side "${crds[@]/#/--filename=}"
kubectl wait --for=condition=Established crd --all --timeout=60s

kubectl apply --filename ci/kind/namespace.yaml --filename ci/kind/scenarios.yaml
for namespace in mcp-system tools; do # a pod without one is refused
  kubectl --namespace "$namespace" wait --for=create serviceaccount/default --timeout=60s
done
dry_run () { kubectl apply --server-side --dry-run=server --filename "$1"; } # a client's would write all of it into an annotation
for values in charts/portcullis/ci/*-values.yaml charts/portcullis/values-prod.yaml; do
  echo "== $values"
  helm template portcullis charts/portcullis -n mcp-system -f "$values" | dry_run -
done
dry_run examples/kubernetes/opentelemetry-collector.yaml
