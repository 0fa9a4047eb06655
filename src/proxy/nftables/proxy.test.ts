import { proxySuite } from '../testing/proxy-suite.ts';

proxySuite(import.meta.url, {
  mode: 'nftables',
  damage: [
    ['nft', 'flush', 'ruleset'],
    ['nft', 'delete', 'table', 'ip', 'knit'],
    ['nft', 'delete', 'element', 'ip', 'knit', 'vip', '{ 10.96.0.50 . tcp . 80 }'],
    ['nft', 'insert', 'rule', 'ip', 'knit', 'services', 'return'],
  ],
  foreign: {
    make: 'nft add table ip somebody; nft flush table ip knit',
    print: 'nft list tables',
    expect: /table ip somebody/,
  },
  printRules: ['nft', '-a', 'list', 'table', 'ip', 'knit'],
  other: {
    make: `iptables -t nat -N KUBE-SERVICES
iptables -t nat -A OUTPUT -j KUBE-SERVICES
iptables -t nat -A KUBE-SERVICES -d 10.96.0.50 -j ACCEPT`,
    isThere: 'iptables-save -t nat | grep -q KUBE-SERVICES',
  },
});
