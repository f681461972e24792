#!/usr/bin/env bash
# Makes stand-ins for the two base images of the Dockerfile, for machines that reach no container registry: the Node of the
# Dockerfile from npm, busybox and the libraries of this machine. They prove the Dockerfile, not the real bases.
#   STORAGE="options of buildah" standins.sh NODE_VERSION NODE_IMAGE RUNTIME_IMAGE
set -euo pipefail
version=$1 node_image=$2 runtime_image=$3
read -ra storage <<< "$STORAGE"
npm_version=11.21.2
case $(uname -m) in x86_64) arch=x64 ;; aarch64) arch=arm64 ;; *) echo "npm has no node for $(uname -m)" >&2; exit 1 ;; esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

unpack () { # unpack PACKAGE@VERSION FOLDER
  mkdir -p "$2"
  (cd "$work" && npm pack --silent "$1" > name && tar -xzf "$(tail -n 1 name)" -C "$2" --strip-components=1)
}

libraries_of () { # libraries_of PROGRAM ROOT: what the loader of this machine finds for it
  { ldd "$1" || true; } 2> /dev/null | { grep -oE '/[^ ]+' || true; } | xargs -I{} cp -L --parents {} "$2" # none, when it is static
}

commit () { # commit ROOT IMAGE CONFIG...
  local root=$1 image=$2 container; shift 2
  container=$(buildah "${storage[@]}" from scratch)
  buildah "${storage[@]}" add --quiet "$container" "$root" / > /dev/null
  buildah "${storage[@]}" config "$@" "$container"
  buildah "${storage[@]}" commit --quiet --rm --format docker "$container" "$image" > /dev/null
}

unpack "node-linux-$arch@$version" "$work/node"
unpack "npm@$npm_version" "$work/npm"

root=$work/build
mkdir -p "$root"/{bin,etc/ssl/certs,root,usr/bin,usr/local/bin,usr/local/lib/node_modules,proc,dev,sys}
mkdir -m 1777 "$root/tmp"
cp "$work/node/bin/node" "$root/usr/local/bin/"
libraries_of "$work/node/bin/node" "$root"
cp -r "$work/npm" "$root/usr/local/lib/node_modules/npm"
ln -s ../lib/node_modules/npm/bin/npm-cli.js "$root/usr/local/bin/npm"
cp "$(command -v busybox)" "$root/bin/busybox"
libraries_of "$root/bin/busybox" "$root"
busybox --list | while read -r name; do [ "$name" = busybox ] || ln -s busybox "$root/bin/$name"; done
ln -s /bin/env "$root/usr/bin/env"
cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
echo 'root:x:0:0:root:/root:/bin/sh' > "$root/etc/passwd"
commit "$root" "$node_image" --env PATH=/usr/local/bin:/bin

root=$work/runtime
mkdir -p "$root"/{etc,home/nonroot,nodejs/bin,proc,dev,sys}
mkdir -m 1777 "$root/tmp"
cp "$work/node/bin/node" "$root/nodejs/bin/"
libraries_of "$work/node/bin/node" "$root"
printf 'root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n' > "$root/etc/passwd"
printf 'root:x:0:\nnonroot:x:65532:\n' > "$root/etc/group"
commit "$root" "$runtime_image" --user 65532 --workingdir /home/nonroot --entrypoint '["/nodejs/bin/node"]' --env PATH=/nodejs/bin
