#!/usr/bin/env bash
# Packs the chart so that it installs exactly one image: its digest is written into the values.
#   chart.sh VERSION REGISTRY/REPOSITORY DIGEST FOLDER
set -euo pipefail
cd "$(dirname "$0")/../.."
version=$1 image=$2 digest=$3 folder=$4
[[ $digest =~ ^sha256:[0-9a-f]{64}$ ]] || { echo "not a digest: $digest" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -R charts/portcullis "$work/portcullis"
values=$work/portcullis/values.yaml
set_in_image () { # set_in_image KEY VALUE
  sed -i "/^image:/,/^[^ #]/ s|^  $1: .*|  $1: $2|" "$values"
  grep -qFx "  $1: $2" "$values" || { echo "values.yaml has no image.$1" >&2; exit 1; }
}
set_in_image registry "${image%%/*}"
set_in_image repository "${image#*/}"
set_in_image digest "$digest"
"${HELM:-helm}" package "$work/portcullis" --version "$version" --app-version "$version" --destination "$folder"
