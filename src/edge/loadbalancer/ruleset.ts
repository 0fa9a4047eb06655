import type { IPFamily } from '../../base/cidr.ts';
import { dealBuckets } from './maglev.ts';
import { bucketCount, type LoadBalancerPlan } from './plan.ts';

export const TABLE = 'knit-lb';

/** `ip knit-lb` or `ip6 knit-lb` */
export function tableOf(family: IPFamily): string {
  return `${family === 'ipv4' ? 'ip' : 'ip6'} ${TABLE}`;
}

/** Of a packet that is for a node: the rest of the bits are others'. */
export const MARK_MASK = 0xffff;

/** The same after every start, so that a flow that is chosen for again finds its node. */
export const SEED = 0x6b6e6974;

/**
 * The table with empty sets and maps. A packet is never changed (but for `ipMode: Proxy`): a node is chosen once a
 * connection, the connection's mark remembers it, and a routing rule a mark leads there.
 */
export function ruleset(family: IPFamily): string {
  const table = tableOf(family);
  const isIPv6 = family === 'ipv6';
  const [ip, addr] = family === 'ipv4' ? ['ip', 'ipv4_addr'] : ['ip6', 'ipv6_addr'];
  const unreachable = isIPv6
    ? 'icmpv6 type destination-unreachable icmpv6 code addr-unreachable'
    : 'icmp type destination-unreachable icmp code host-unreachable';
  return `add table ${table}
delete table ${table}
table ${table} {
 comment "knit: load balancers"
 set vips      { type ${addr}; }
 set by-client { type ${addr}; }
 set proxied   { type ${addr}; }
 set ranged    { type ${addr}; }
 set allowed   { type ${addr} . ${addr}; flags interval; }
 ${isIPv6 ? `set own       { type ${addr} . ${addr}; }` : ''}
 map group     { type ${addr} : mark; }
 map bucket    { typeof meta mark . numgen random mod 65536 : meta mark; }
 map nodeport  { typeof meta mark . ${ip} daddr . meta l4proto . th dport : ${ip} daddr . th dport; }

 chain choose {
  meta mark set ${ip} daddr map @group
  ${ip} daddr @by-client ct mark set meta mark . jhash ${ip} saddr mod ${bucketCount} seed ${SEED} map @bucket return
  ct mark set meta mark . jhash ${ip} saddr . ${ip} daddr . th sport . th dport mod ${bucketCount} seed ${SEED} map @bucket
 }
 chain arrive {
  iifname != "host" fib saddr . iif oif missing counter drop comment "back from a node that does not know the address yet"
  ${ip} daddr @ranged ${ip} daddr . ${ip} saddr != @allowed drop
  goto choose
 }
 chain prerouting { type filter hook prerouting priority mangle;
  ct state new ${ip} daddr @vips jump arrive
  ct direction original meta mark set ct mark
 }
 chain output { type route hook output priority mangle;
  ct mark != 0 ${unreachable} drop comment "of a node that has just died: the client's next try is led to another"
  ct state new ${ip} daddr @vips jump choose
  ct direction original meta mark set ct mark
 }

 chain translate {
  ${ip} daddr @proxied dnat ${ip} to meta mark . ${ip} daddr . meta l4proto . th dport map @nodeport
 }
 chain translate-prerouting { type nat hook prerouting priority -100; goto translate; }
 chain translate-output { type nat hook output priority -100; goto translate; }
 chain forward { type filter hook forward priority filter;
  ${ip} daddr @proxied meta l4proto tcp reject with tcp reset comment "no such port"
  ${ip} daddr @proxied drop comment "no such port"
 }
${isIPv6 ? hairpin : ''}}
`;
}

/**
 * A node that is led to itself would answer itself. Its IPv6 address is the same inside and outside, so it sees the
 * fabric's; an IPv4 one sees its own outside address (`src/machine/fabric-rules.ts`).
 */
const hairpin = ` chain hairpin { type nat hook postrouting priority srcnat;
  ip6 saddr . ip6 daddr @own masquerade fully-random comment "a node that is led to itself"
 }
`;

/** Numbers of groups by their nodes: Services with the same nodes share one. */
export type Groups = Map<string, number>;

/** Elements of the table by set and key (`group 203.0.113.2`), each with its value; sets have none. */
export type Elements = ReadonlyMap<string, string>;

/** What the sets and maps should hold. New groups get a number in `groups`, and those that are gone lose it. */
export function elementsOf(plan: LoadBalancerPlan, family: IPFamily, groups: Groups): Elements {
  const marks = new Map(plan.nodes.map((node) => [node.name, node.mark]));
  const elements = new Map<string, string>();
  const used = new Set<string>();
  for (const { address, by, nodes, proxied, sourceRanges } of plan.addresses.filter((each) => each.family === family)) {
    elements.set(`vips ${address}`, '');
    if (by === 'client') elements.set(`by-client ${address}`, '');
    if (proxied) elements.set(`proxied ${address}`, '');
    for (const { protocol, port, nodePort } of proxied ?? []) {
      for (const { mark, addresses } of plan.nodes) {
        const to = addresses[family];
        if (!to) continue;
        elements.set(`nodeport ${mark} . ${address} . ${protocol} . ${port}`, `${to} . ${nodePort}`);
        if (family === 'ipv6') elements.set(`own ${to} . ${to}`, '');
      }
    }
    if (sourceRanges) elements.set(`ranged ${address}`, '');
    for (const range of sourceRanges ?? []) elements.set(`allowed ${address} . ${range}`, '');
    if (nodes.length === 0) continue;
    const name = nodes.join(' ');
    elements.set(`group ${address}`, String(numberOf(name, groups)));
    if (used.has(name)) continue;
    used.add(name);
    for (const [bucket, node] of dealBuckets(nodes, bucketCount).entries())
      elements.set(`bucket ${numberOf(name, groups)} . ${bucket}`, String(marks.get(nodes[node] ?? '') ?? 0));
  }
  for (const name of groups.keys()) if (!used.has(name)) groups.delete(name);
  return elements;
}

/** A transaction that makes the table of `before` that of `after`. */
export function changes(family: IPFamily, before: Elements, after: Elements): string {
  const differing = (from: Elements, to: Elements) => [...from].filter(([key, value]) => to.get(key) !== value);
  const lines = (verb: string, list: [string, string][]) =>
    [...Map.groupBy(list, ([key]) => key.slice(0, key.indexOf(' ')))].map(([set, elements]) => {
      const texts = elements.map(
        ([key, value]) => key.slice(set.length + 1) + (verb === 'add' && value ? ` : ${value}` : ''),
      );
      return `${verb} element ${tableOf(family)} ${set} { ${texts.join(', ')} }\n`;
    });
  return [...lines('delete', differing(before, after)), ...lines('add', differing(after, before))].join('');
}

function numberOf(name: string, groups: Groups): number {
  const known = groups.get(name);
  if (known !== undefined) return known;
  const taken = new Set(groups.values());
  let number = 1;
  while (taken.has(number)) number++;
  groups.set(name, number);
  return number;
}
