import type { NftFamily } from '../../kernel/nft.ts';
import type { Family } from '../plan.ts';
import { DROP, formatClassid, MAX_ENDPOINTS, REFUSE, SHAPE_MASK } from './values.ts';

export const TABLE = 'knit';

/** Changes whenever the rules below do: a table of another version is replaced as a whole. */
const VERSION = 6;

export const nftFamily = (family: Family): Extract<NftFamily, 'ip' | 'ip6'> => (family === 'ipv6' ? 'ip6' : 'ip');
export const tableName = (family: Family): string => `${nftFamily(family)} ${TABLE}`;
export const tableComment = `knit: Services, rules version ${VERSION}`;

const POOL_MASK = `0x${((0xffffffff - SHAPE_MASK) >>> 0).toString(16)}`;
/** A front end, as it is in a packet that is not translated yet. */
const tuple = (ip: string) => `${ip} daddr . meta l4proto . th dport`;
/**
 * Who a client is. Of an IPv6 address the last 96 bits: nft 1.0.6 has 16 bytes for the key of a map that packets write,
 * and lets the value overwrite what is longer. Clients that share those bits share an endpoint.
 */
const clientAddress = (ip: string) => (ip === 'ip6' ? '@nh,96,96' : 'ip saddr');
/** A client and the pool that it is led to. */
const client = (ip: string) => `meta priority & ${POOL_MASK} . ${clientAddress(ip)}`;

/**
 * The whole table with empty maps. What it does, and why it is so: README.md.
 *
 * All rules that translate are here and not in chains that come later: nft 1.0.6 refuses to add a rule that uses a map
 * of `th dport` after the map ("conflicting protocols specified: tcp vs. th").
 */
export function ruleset(family: Family): string {
  const ip = nftFamily(family);
  const addr = family === 'ipv6' ? 'ipv6_addr' : 'ipv4_addr';
  const unreachable = family === 'ipv6' ? 'icmpv6 addr-unreachable' : 'icmp host-unreachable';
  return `add table ${tableName(family)}
delete table ${tableName(family)}
table ${tableName(family)} {
 comment "${tableComment}"
 set cluster { type ${addr}; flags interval; }
 set local   { type ${addr}; flags interval; }
 set vips    { type ${addr}; }
 set lbs     { type ${addr}; }
 set nodeips { type ${addr}; }
 set fw      { type ${addr} . inet_proto . inet_service; }
 set allow   { type ${addr} . inet_proto . inet_service . ${addr}; flags interval; }
 set hairpin { type ${addr} . ${addr}; }
 map vip   { type ${addr} . inet_proto . inet_service : classid; }
 map ext   { type ${addr} . inet_proto . inet_service : classid; }
 map np    { type inet_proto . inet_service : classid; }
 map npext { type inet_proto . inet_service : classid; }
 map slot  { typeof meta priority : ${ip} daddr . th dport; }
 map pick  { typeof meta priority : meta priority; }
 map ep    { typeof meta priority : ${ip} daddr . th dport; }
 map aff   { typeof meta priority . ${clientAddress(ip)} : meta priority; flags dynamic,timeout; size 65536; }
 map shape { typeof meta priority : verdict; }
 chain refuse {
  meta l4proto tcp reject with tcp reset
  reject
 }
 chain endpoint {
  meta l4proto { tcp, udp, sctp } dnat ${ip} to meta priority map @slot
  counter drop
 }
 chain sticky {
  meta l4proto { tcp, udp, sctp } dnat ${ip} to meta priority map @ep
 }
 chain pool {
  meta priority & ${SHAPE_MASK} vmap @shape
  counter drop
 }
 chain services {
  ${tuple(ip)} @fw ${tuple(ip)} . ${ip} saddr != @allow drop
  ${ip} saddr != @cluster meta priority set ${tuple(ip)} map @ext goto pool
  meta priority set ${tuple(ip)} map @vip goto pool
  ${ip} daddr @nodeips ${ip} saddr != @local meta priority set meta l4proto . th dport map @npext goto pool
  ${ip} daddr @nodeips meta priority set meta l4proto . th dport map @np goto pool
 }
 chain prerouting { type nat hook prerouting priority -100; goto services; }
 chain output { type nat hook output priority -100; goto services; }
 chain leftover {
  meta l4proto tcp reject with tcp reset
  reject with ${unreachable}
 }
 chain leftover-forward { type filter hook forward priority -1;
  ct state established return
  ${ip} daddr @vips goto leftover
  ${ip} daddr @lbs ${ip} saddr != @local goto leftover
  ${ip} daddr @lbs ${ip} saddr @nodeips goto leftover
 }
 chain leftover-output { type filter hook output priority -1; ${ip} daddr @vips goto leftover; }
 chain postrouting { type nat hook postrouting priority 100;
  ct status & dnat != dnat return
  ${ip} saddr . ${ip} daddr @hairpin masquerade fully-random
  ${ip} saddr != @local ${ip} daddr != @local masquerade fully-random
 }
}
add element ${tableName(family)} shape { ${formatClassid(REFUSE)} : goto refuse, ${formatClassid(DROP)} : drop }
`;
}

/** How an endpoint is chosen: among how many, and whether a client stays with its own for `affinitySeconds`. */
export interface Shape {
  readonly count: number;
  readonly affinitySeconds?: number;
}

export function shapeChain({ count, affinitySeconds }: Shape): string {
  return affinitySeconds === undefined ? `n${count}` : `a${count}-${affinitySeconds}`;
}

export function parseShapeChain(chain: string): Shape {
  const [count = '', affinity] = chain.slice(1).split('-');
  return { count: Number(count), ...(affinity === undefined ? {} : { affinitySeconds: Number(affinity) }) };
}

/** The first number for shapes with affinity; a shape without has its count as its number. */
export const FIRST_AFFINITY_SHAPE = MAX_ENDPOINTS + 1;

export function slotChain(slot: number): string {
  return `s${slot}`;
}

/** Commands that add the chain which makes slot `slot` of the pool that the scratch register names. */
export function slotCommands(family: Family, slot: number): string[] {
  const chain = `${tableName(family)} ${slotChain(slot)}`;
  return [`add chain ${chain}`, `add rule ${chain} meta priority set meta priority & ${POOL_MASK} | ${slot}`];
}

/**
 * Commands that add the chain of one shape; those of its slots must be there. Each way ends in a drop: a commit is
 * atomic, but the lookups of one packet are not, and a packet that finds no endpoint between them must neither be
 * refused nor go on untranslated.
 */
export function shapeCommands(family: Family, shape: Shape, number: number): string[] {
  const chain = `${tableName(family)} ${shapeChain(shape)}`;
  return [
    `add chain ${chain}`,
    ...shapeRules(family, shape).map((rule) => `add rule ${chain} ${rule}`),
    `add element ${tableName(family)} shape { ${formatClassid(number)} : goto ${shapeChain(shape)} }`,
  ];
}

function shapeRules(family: Family, { count, affinitySeconds }: Shape): string[] {
  const ip = nftFamily(family);
  const slots = Array.from({ length: count }, (_, slot) => `${slot} : jump ${slotChain(slot)}`);
  const anySlot = `numgen random mod ${count} vmap { ${slots.join(', ')} }`;
  if (affinitySeconds === undefined) return [anySlot, 'goto endpoint'];
  const entry = `{ ${client(ip)} timeout ${affinitySeconds}s : meta priority }`;
  return [
    `meta priority set ${client(ip)} map @aff update @aff ${entry}`,
    'jump sticky', // comes back where that endpoint is gone
    anySlot,
    'meta priority set meta priority map @pick',
    `delete @aff { ${client(ip)} : meta priority }`,
    `add @aff ${entry}`,
    'jump sticky',
    'counter drop',
  ];
}
