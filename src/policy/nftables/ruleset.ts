import { createHash } from 'node:crypto';
import { withoutContained } from '../../base/prefixes.ts';
import type { NftFamily } from '../../kernel/nft.ts';
import {
  ALL_PORTS,
  type Direction,
  type Family,
  type NumberedPorts,
  type PeerPlan,
  type PolicyEntry,
  type PortPlan,
  type Protocol,
  type RulePlan,
} from '../plan.ts';

export const TABLE = 'knit-policy';

/** Changes whenever the rules below do: a table of another version is replaced as a whole. */
const VERSION = 1;

export const nftFamily = (family: Family): Extract<NftFamily, 'ip' | 'ip6'> => (family === 'ipv6' ? 'ip6' : 'ip');
export const tableName = (family: Family): string => `${nftFamily(family)} ${TABLE}`;
export const tableComment = `knit: NetworkPolicies, rules version ${VERSION}`;

/** Kernel's limit of a comment is 128 bytes; namespace/name alone can reach 317. */
const MAX_COMMENT = 120;
/** Kernel's limit of a chain's name is 255. */
const MAX_CHAIN_NAME = 180;

/** The chains that are always there: their rules. The table as it stands, and why it is so: README.md. */
export function baseChains(family: Family): ReadonlyMap<string, readonly string[]> {
  const ip = nftFamily(family);
  const middle = 'tcp flags & (fin | syn | rst | ack) != syn';
  const unplanned = 'counter drop comment "no planned pod of this node has this address"';
  const cut = 'counter reject with tcp reset comment "in the middle of a connection that is not admitted"';
  return new Map([
    [
      'forward',
      [
        'type filter hook forward priority 0; policy accept;',
        'ct state established,related accept',
        `${ip} saddr . ${ip} daddr @self accept`,
        `${ip} saddr @local ${ip} saddr != @known ${unplanned}`,
        `${ip} daddr @local ${ip} daddr != @known ${unplanned}`,
        `${middle} ${ip} saddr @isolated ${cut}`,
        `${middle} ${ip} daddr @isolated ${cut}`,
        `${ip} saddr vmap @egress`,
        'goto to-pod',
      ],
    ],
    ['to-pod', [`${ip} daddr vmap @ingress`, 'accept']],
  ]);
}

export function baseSets(family: Family): ReadonlyMap<string, string> {
  const addr = addressType(family);
  return new Map([
    ['local', `type ${addr}; flags interval; comment "where this node's pods get their addresses";`],
    ['known', `type ${addr}; comment "this node's planned pods";`],
    ['isolated', `type ${addr}; comment "pods that a policy selects";`],
    ['self', `type ${addr} . ${addr};`],
    ['egress', `type ${addr} : verdict; comment "pod to the policies that isolate what it sends";`],
    ['ingress', `type ${addr} : verdict; comment "pod to the policies that isolate what it gets";`],
  ]);
}

/** Of {@link baseSets}, those with values. */
export const isMap = (set: string): boolean => set === 'egress' || set === 'ingress';

const addressType = (family: Family): string => (family === 'ipv6' ? 'ipv6_addr' : 'ipv4_addr');

/** Names carry a hash of what is in them: a process that starts knows by its name that a chain or set is right. */
export function setName(kind: 'pods' | 'ports', key: string): string {
  return `${kind}-${hash(key)}`;
}

export function setDeclaration(family: Family, kind: 'pods' | 'ports', label: string): string {
  const type = kind === 'pods' ? addressType(family) : `${addressType(family)} . inet_service`;
  return `type ${type}; comment "${clip(label)}";`;
}

export interface ChainText {
  readonly name: string;
  readonly rules: readonly string[];
}

/** What one policy admits in one direction; comes back where no rule of it does. */
export function policyChain(family: Family, entry: PolicyEntry, direction: Direction): ChainText {
  const rules = (entry[direction] ?? []).flatMap((rule, index) =>
    ruleTexts(family, rule, direction).map((text) => {
      const comment = clip(`${direction} rule ${index + 1} of ${entry.key}`);
      return `${text} ${direction === 'ingress' ? 'accept' : 'goto to-pod'} comment "${comment}"`.trimStart();
    }),
  );
  const id = hash([entry.key, ...rules].join('\n'));
  return { name: `${direction}-${id}-${entry.key}`.slice(0, MAX_CHAIN_NAME), rules };
}

/** Pods that the same policies isolate share a chain: one policy after another, and nobody else. */
export function podsChain(direction: Direction, policies: readonly string[], chains: readonly string[]): ChainText {
  const comment = clip(`no ${direction} rule admits it: ${policies.join(' ')}`);
  const rules = [...chains.map((chain) => `jump ${chain}`), `counter drop comment "${comment}"`];
  return { name: `${direction}-pods-${hash(rules.join('\n'))}`, rules };
}

/** One rule of nftables for each kind of peer and each kind of port. */
function ruleTexts(family: Family, rule: RulePlan, direction: Direction): string[] {
  const peers = rule.peers === 'anyone' ? [''] : peerTexts(family, rule.peers, direction);
  const ports = rule.ports === 'any' ? [''] : portTexts(family, rule.ports);
  return peers.flatMap((peer) => ports.map((port) => [peer, port].filter(Boolean).join(' ')));
}

function peerTexts(family: Family, peers: readonly PeerPlan[], direction: Direction): string[] {
  const address = `${nftFamily(family)} ${direction === 'ingress' ? 'saddr' : 'daddr'}`;
  const blocks = peers.filter((peer) => peer.kind === 'block' && peer.family === family);
  const whole = withoutContained(
    blocks.flatMap((peer) => (peer.kind === 'block' && peer.except.length === 0 ? peer.cidr : [])),
  );
  const texts = peers.flatMap((peer) => {
    if (peer.kind === 'pods') return `${address} @${setName('pods', peer.set)}`;
    if (peer.family !== family || peer.except.length === 0) return [];
    const except = `${address} != { ${withoutContained(peer.except).join(', ')} }`;
    return peer.cidr.endsWith('/0') ? except : `${address} ${peer.cidr} ${except}`;
  });
  if (whole.some((cidr) => cidr.endsWith('/0'))) return ['']; // anyone, in this family
  return whole.length === 0 ? texts : [...texts, `${address} { ${whole.join(', ')} }`];
}

function portTexts(family: Family, ports: readonly PortPlan[]): string[] {
  const numbers = new Map<Protocol, NumberedPorts[]>();
  const texts: string[] = [];
  for (const port of ports) {
    if (port.kind === 'numbers') numbers.set(port.protocol, [...(numbers.get(port.protocol) ?? []), port]);
    else texts.push(`${nftFamily(family)} daddr . ${port.protocol} dport @${setName('ports', port.set)}`);
  }
  for (const [protocol, ranges] of numbers) texts.push(numberText(protocol, ranges));
  return [...new Set(texts)];
}

/** Ranges that touch or overlap become one: an anonymous set refuses overlaps. */
function numberText(protocol: Protocol, ranges: readonly NumberedPorts[]): string {
  const merged: { first: number; last: number }[] = [];
  for (const { first, last } of ranges.toSorted((a, b) => a.first - b.first)) {
    const previous = merged.at(-1);
    if (previous && first <= previous.last + 1) previous.last = Math.max(previous.last, last);
    else merged.push({ first, last });
  }
  const [only] = merged;
  if (only?.first === ALL_PORTS.first && only.last === ALL_PORTS.last) return `meta l4proto ${protocol}`;
  const texts = merged.map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`));
  return `${protocol} dport { ${texts.join(', ')} }`;
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}

/** Names and selectors have no quotes in them, and are ASCII. */
function clip(text: string): string {
  return text.length <= MAX_COMMENT ? text : `${text.slice(0, MAX_COMMENT - 3)}...`;
}
