#!/bin/sh
# One page that tells who answered whom: which pod on which node, the client's address as it arrived here, the headers.
node=${NODE_NAME:-$(sed -n 's#.*upperdir=[^,]*/nodes/\([^/]*\)/.*#\1#p' /proc/self/mountinfo)}
client=$(echo "$REMOTE_ADDR" | sed 's/^\[::ffff:\(.*\)\]/\1/')
printf 'Content-Type: text/plain\r\n\r\n'
echo "pod      ${POD_NAME:-$(hostname)}"
echo "node     ${node:-unknown}"
echo "client   $client:$REMOTE_PORT"
echo "request  $REQUEST_METHOD $REQUEST_URI"
env | sort | sed -n 's/^HTTP_\([A-Z0-9_]*\)=/header   \1: /p'
