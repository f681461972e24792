#!/usr/bin/env bash
# Builds the image out of the Dockerfile, on stand-ins for its bases, once for each state of what goes into it. Beside its
# root filesystem it leaves its configuration, and the list of what the build was given (context.txt).
# `--where` only says where that is, or would be.
set -euo pipefail
cd "$(dirname "$0")/../.."
cache=${XDG_CACHE_HOME:-$HOME/.cache}/portcullis
sources () { git ls-files -co --exclude-standard -z -- "$@" | LC_ALL=C sort -zu; }
state () { sources "$@" | { xargs -0 sha256sum 2> /dev/null || true; } | sha256sum | cut -c 1-16; }
bases=(Dockerfile package-lock.json ci/image/standins.sh)
mapfile -t admitted < <(sed -n 's/^!//p' .dockerignore)
image=$cache/image/$(state "${bases[@]}" scripts/tools/image.sh .dockerignore "${admitted[@]}")

if [ "${1:-}" = --where ] || [ -d "$image" ]; then echo "$image"; exit; fi
fail () { echo "the image is not built: $1" >&2; exit 1; }
[ "$(uname -s)" = Linux ] && [ "$(id -u)" = 0 ] || fail 'that needs root on Linux, to mount and to change users'
for program in buildah busybox npm; do command -v $program > /dev/null || fail "$program is not installed"; done
export BUILDAH_ISOLATION=chroot # no container engine, no cgroups
unshare --mount true 2> /dev/null || fail 'mounting is not allowed here (CAP_SYS_ADMIN)'

mkdir -p "$cache/image"
work=$(mktemp -d "$cache/image-build-XXXXXX")
trap 'rm -rf "$work"' EXIT
layers=$cache/image-layers-$(state "${bases[@]}")
export STORAGE="--root $layers --runroot $work/run"
read -ra storage <<< "$STORAGE"
version=$(sed -n 's/^ARG NODE_IMAGE=.*node:\([0-9.]*\).*/\1/p' Dockerfile)
node=localhost/standin-node:$version runtime=localhost/standin-runtime:$version
files=$(ulimit -Hn) # npm opens more than the 1024 that buildah allows unasked
[ "$files" != unlimited ] || files=65536
bud () { buildah "${storage[@]}" bud --pull-never --format docker --ulimit "nofile=$files:$files" "$@" > "$work/log" 2>&1 || { cat "$work/log" >&2; fail 'its Dockerfile fails'; }; }

# npm asks whom it asks on this machine, and trusts whom it trusts here.
{ cat "$(npm config get userconfig)" 2> /dev/null || true; printf '\nregistry=%s\ncafile=/etc/ssl/certs/ca-certificates.crt\n' "$(npm config get registry)"; } > "$work/npmrc"

# What people have lying about, in a checkout whose files nobody else may read.
mkdir "$work/context" "$work/result"
sources . | tar --create --null --files-from=- --ignore-failed-read | tar --extract --directory "$work/context"
for name in .env config/.env.local .git/config node_modules/canary.js dist/src/stale.js src/canary.test.ts id_rsa; do
  mkdir -p "$(dirname "$work/context/$name")" && echo canary > "$work/context/$name"
done
chmod -R go= "$work/context"

buildah "${storage[@]}" inspect --type image "$runtime" > /dev/null 2>&1 || ci/image/standins.sh "$version" "$node" "$runtime"
printf 'FROM scratch\nCOPY . /\n' > "$work/context-only"
bud --file "$work/context-only" --output "type=local,dest=$work/admitted" "$work/context"
(cd "$work/admitted" && find . -type f | sed 's,^\./,,' | LC_ALL=C sort) > "$work/result/context.txt"
bud --layers --tag localhost/portcullis --output "type=local,dest=$work/result/root" \
  --secret "id=npmrc,src=$work/npmrc" --build-arg "NODE_IMAGE=$node" --build-arg "RUNTIME_IMAGE=$runtime" --build-arg VERSION=1.2.3 --build-arg REVISION=canary-revision --build-arg SOURCE=https://example.com/canary "$work/context"
chmod 755 "$work/result/root"
buildah "${storage[@]}" inspect --type image localhost/portcullis > "$work/result/image.json"
mv "$work/result" "$image" # last: what was interrupted is not there
find "$cache/image" -mindepth 1 -maxdepth 1 -mmin +1440 -exec rm -rf {} +
find "$cache" -maxdepth 1 \( -name 'image-layers-*' -mtime +7 -o -name 'image-build-*' -mmin +120 \) -exec rm -rf {} +
echo "$image"
