#!/usr/bin/env bash
# The chart from nothing to uninstalled, as docs/kubernetes.md says, on the cluster that kubectl and helm speak to; the image
# of values.yaml is there already.
set -euo pipefail
cd "$(dirname "$0")/../.."
step () { printf '\n== %s\n' "$1"; }
fail () { echo "$1" >&2; exit 1; }
k () { kubectl --namespace mcp-system "$@"; }
well () { # well LEVEL: the server is, and was told that level
  [ "$(k get configmap portcullis-env --output 'jsonpath={.data.LOG_LEVEL}')" = "$1" ] || fail "LOG_LEVEL is not $1"
  helm test portcullis -n mcp-system
}

step 'a namespace in which nothing runs that is not restricted'
kubectl apply --filename ci/kind/namespace.yaml
refusal=$(k run root --image=portcullis:kind --dry-run=server 2>&1) && fail 'a pod without a security context is let in'
grep 'violates PodSecurity' <<< "$refusal"

step 'PostgreSQL, and the secrets of the server'
owner=$(openssl rand -hex 24) server=$(openssl rand -hex 24)
k create configmap create-roles --from-file=compose/create-roles.sh
k create secret generic postgres \
  --from-literal=POSTGRES_PASSWORD="$(openssl rand -hex 24)" --from-literal=OWNER_PASSWORD="$owner" --from-literal=SERVER_PASSWORD="$server"
k create secret generic portcullis-secrets \
  --from-literal=DATABASE_URL="postgresql://portcullis:$server@postgres:5432/portcullis" \
  --from-literal=MIGRATION_DATABASE_URL="postgresql://portcullis_owner:$owner@postgres:5432/portcullis" \
  --from-literal=PORTCULLIS_SECRET="$(openssl rand -hex 32)" --from-literal=API_KEY="$(openssl rand -hex 32)"
k apply --filename ci/kind/postgres.yaml
k rollout status deployment/postgres --timeout=180s

step install
helm upgrade --install portcullis charts/portcullis -n mcp-system --create-namespace -f ci/kind/values.yaml --wait
well INFO

step upgrade
helm upgrade portcullis charts/portcullis -n mcp-system --reset-then-reuse-values --set env.LOG_LEVEL=DEBUG --wait --rollback-on-failure
well DEBUG

step 'roll back'
helm rollback portcullis 1 -n mcp-system --wait
well INFO

step uninstall
helm uninstall portcullis -n mcp-system --wait
k wait --for=delete pod --selector=app.kubernetes.io/instance=portcullis --timeout=90s
left=$(k get deployments,services,configmaps,serviceaccounts,networkpolicies,horizontalpodautoscalers,poddisruptionbudgets,jobs --selector=app.kubernetes.io/instance=portcullis --output=name)
[ -z "$left" ] || fail "uninstall leaves $left"
