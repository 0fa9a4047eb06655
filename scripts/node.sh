#!/bin/sh
# Runs Node.js 24 or newer: the one that npm installed beside knit, or the machine's own if that is new enough.
here=$(dirname "$(readlink -f "$0")")/..
# Compiled programs are kept from one start to the next: 40 ms for each of a cluster's, half a second for a test of its sources.
export NODE_COMPILE_CACHE="${NODE_COMPILE_CACHE:-$here/dist/cache}"
for node in "$here"/node_modules/node-linux-*/bin/node; do
  [ -x "$node" ] && exec "$node" "$@"
done
if node -e 'process.exit(Number(process.versions.node.split(".")[0]) >= 24 ? 0 : 1)' 2>/dev/null; then exec node "$@"; fi
printf 'knit: Node.js 24 or newer is missing\n  → run: make deps\n' >&2
exit 1
