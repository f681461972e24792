#!/usr/bin/env bash
# Gives every file of collector/ to the image that runs it: that of compose.yaml, or ADOT's of the chart. ADOT has no
# `validate`: it has to start, and nobody answers it.
set -euo pipefail
cd "$(dirname "$0")/../.."
contrib=$(sed -n 's,^ *image: \(otel/opentelemetry-collector-contrib:.*\),\1,p' compose.yaml)
value () { sed -n '/^adotSidecar:/,/^[a-z]/ s,^    '"$1"': "\{0\,1\}\([^"]*\)"\{0\,1\}$,\1,p' charts/portcullis/values.yaml | head -n 1; }
adot=$(value repository):$(value tag)

with () { # with FILE RUN-OPTION...: docker run, shut in, the file where its arguments look for it
  local file=$1; shift
  docker run --read-only --network none --volume "$PWD/$file:/etc/otelcol/config.yaml:ro" "$@" --config=/etc/otelcol/config.yaml
}

starts () { # starts FILE IMAGE
  with "$1" --detach --name collector --env AWS_REGION=eu-central-1 --env 'RESOURCE_DETECTORS=[env]' "$2"
  until docker logs collector 2>&1 | grep --quiet 'Everything is ready'; do
    [ "$(docker inspect --format '{{.State.Running}}' collector)" = true ] || { docker logs collector; exit 1; }
    sleep 0.2
  done
  docker rm --force collector
}

for file in collector/*.yaml; do
  echo "== $file"
  case $file in
    */adot-*) starts "$file" "$adot" ;;
    *) with "$file" --rm --env DD_API_KEY=00000000000000000000000000000000 "$contrib" validate ;;
  esac
done
