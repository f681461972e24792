#!/usr/bin/env bash
# Runs a program in a root filesystem as a strict container engine would: read-only, process 1 of its own, no capability and
# none to be had, no environment but NAME=VALUE. The network is that of this machine.
#   MOUNTS="FOLDER:INSIDE ..." locked-down.sh ROOT WORKDIR UID [NAME=VALUE...] -- PROGRAM [ARGUMENT...]
# The process becomes `unshare`, which waits for process 1 and ends as it did.
set -euo pipefail
if [ "${INSIDE:-}" != yes ]; then INSIDE=yes exec unshare --mount --propagation private "$0" "$@"; fi
root=$1 workdir=$2 uid=$3; shift 3
variables=()
while [ "$1" != -- ]; do variables+=("$1"); shift; done
shift
mount --bind "$root" "$root"
mount -t tmpfs -o mode=755,size=64k tmpfs "$root/dev"
: > "$root/dev/null"
mount --bind /dev/null "$root/dev/null"
for pair in ${MOUNTS:-}; do mount --bind "${pair%%:*}" "$root${pair#*:}"; done
mount -o remount,bind,ro "$root"
# What remains of root's rights is what it takes to change root and user, which drops them too.
exec setpriv --no-new-privs --bounding-set -all,+sys_admin,+sys_chroot,+setuid,+setgid env -i "${variables[@]}" \
  "$(command -v unshare)" --pid --fork --mount-proc --root "$root" --wd "$workdir" --setgid "$uid" --setuid "$uid" "$@"
