import { proxySuite } from '../testing/proxy-suite.ts';

proxySuite(import.meta.url, {
  mode: 'iptables',
  damage: [
    ['nft', 'flush', 'ruleset'],
    ['iptables', '-t', 'nat', '-F'],
    ['iptables', '-t', 'nat', '-F', 'KUBE-SERVICES'],
    ['iptables', '-t', 'nat', '-D', 'OUTPUT', '1'],
    ['iptables', '-t', 'nat', '-I', 'KUBE-SERVICES', '-j', 'RETURN'],
  ],
  foreign: {
    make: `iptables -t nat -N DOCKER
iptables -t nat -I OUTPUT -m comment --comment "of somebody else" -d 192.0.2.1 -j DOCKER
iptables -t nat -A DOCKER -j RETURN
iptables -t nat -F KUBE-SERVICES`,
    print: 'iptables-save -t nat',
    expect: /-A OUTPUT -d 192.0.2.1\/32 -m comment --comment "of somebody else" -j DOCKER[\s\S]*-A DOCKER -j RETURN/,
  },
  printRules: ['nft', '-a', 'list', 'ruleset'],
  other: {
    make: 'nft add table ip knit',
    isThere: 'nft list table ip knit',
  },
});
