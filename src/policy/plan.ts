/**
 * What NetworkPolicies say of one node's pods, as a plain value: nftables is written from it, and the verdict on a
 * packet is read from it.
 */

export type Family = 'ipv4' | 'ipv6';
export type Protocol = 'tcp' | 'udp' | 'sctp';
export type Direction = 'ingress' | 'egress';

/** The node that a plan is for: policies hold for its pods, whoever they speak with. */
export interface PolicyNode {
  readonly name: string;
  /** Its own addresses, both families. */
  readonly addresses: readonly string[];
  /** Where its pods' addresses come from; empty until the node has one. */
  readonly podCIDRs: readonly string[];
}

/** One rule of a policy: admits what matches one of its peers and one of its ports. */
export interface RulePlan {
  readonly peers: 'anyone' | readonly PeerPlan[];
  readonly ports: 'any' | readonly PortPlan[];
}

export type PeerPlan = SelectedPeer | BlockPeer;

/** Pods by their labels and those of their namespace: the addresses in {@link PolicyPlan.sets} under this key. */
export interface SelectedPeer {
  readonly kind: 'pods';
  readonly set: string;
}

export interface BlockPeer {
  readonly kind: 'block';
  readonly family: Family;
  /** Canonical, as all prefixes here. */
  readonly cidr: string;
  readonly except: readonly string[];
}

export type PortPlan = NumberedPorts | NamedPort;

/** All ports of a protocol are 0 to 65535. */
export interface NumberedPorts {
  readonly kind: 'numbers';
  readonly protocol: Protocol;
  readonly first: number;
  readonly last: number;
}

/** A name that each destination pod gives to a port of its own: `address . port` in {@link PolicyPlan.sets}. */
export interface NamedPort {
  readonly kind: 'name';
  readonly protocol: Protocol;
  readonly name: string;
  readonly set: string;
}

/** A policy that selects pods of this node. A direction that it does not isolate is left out. */
export interface PolicyEntry {
  /** `namespace/name` */
  readonly key: string;
  readonly ingress?: readonly RulePlan[];
  readonly egress?: readonly RulePlan[];
}

/** A pod of this node that has an address of its own. */
export interface PodPlan {
  /** `namespace/name` */
  readonly key: string;
  readonly addresses: readonly string[];
  /** Keys of the policies that isolate it, sorted; none: everything is admitted. */
  readonly ingress: readonly string[];
  readonly egress: readonly string[];
}

/** Addresses, or `address . port`, of pods anywhere in the cluster; each with its pod's key. */
export interface AddressSet {
  readonly kind: 'pods' | 'ports';
  /** For people: `shop: app=api`. */
  readonly label: string;
  readonly elements: ReadonlyMap<string, string>;
}

export interface PolicyPlan {
  readonly node: PolicyNode;
  /** This node's pods by key, and by address. */
  readonly pods: ReadonlyMap<string, PodPlan>;
  readonly podsByAddress: ReadonlyMap<string, PodPlan>;
  readonly policies: ReadonlyMap<string, PolicyEntry>;
  readonly sets: ReadonlyMap<string, AddressSet>;
}

/** What changed in a plan since the last look; what is no longer in the plan is gone. */
export interface PlanChanges {
  readonly pods: ReadonlySet<string>;
  readonly policies: ReadonlySet<string>;
  /** Elements that came or went, by set. */
  readonly sets: ReadonlyMap<string, ReadonlySet<string>>;
}

export const ALL_PORTS = { first: 0, last: 65_535 } as const;

/** The plan as lines that a person reads, sorted. */
export function formatPlan(plan: PolicyPlan): string {
  const pods = sorted(plan.pods).map(
    (pod) => `pod ${pod.key} ${pod.addresses.join(' ')}${isolation(pod, 'ingress')}${isolation(pod, 'egress')}`,
  );
  const policies = sorted(plan.policies).flatMap((entry) => [
    ...formatRules(plan, entry, 'ingress'),
    ...formatRules(plan, entry, 'egress'),
  ]);
  return [...pods, ...policies].join('\n');
}

function sorted<T extends { readonly key: string }>(entries: ReadonlyMap<string, T>): T[] {
  return [...entries.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
}

function isolation(pod: PodPlan, direction: Direction): string {
  return pod[direction].length === 0 ? '' : `, ${direction} by ${pod[direction].join(' ')}`;
}

function formatRules(plan: PolicyPlan, entry: PolicyEntry, direction: Direction): string[] {
  const rules = entry[direction];
  if (!rules) return [];
  const lines = rules.map((rule, index) => `  rule ${index + 1}: ${formatRule(plan, rule)}`);
  return [`${direction} of ${entry.key}${rules.length === 0 ? ': nobody' : ''}`, ...lines];
}

function formatRule(plan: PolicyPlan, { peers, ports }: RulePlan): string {
  const who = peers === 'anyone' ? 'anyone' : peers.map((peer) => formatPeer(plan, peer)).join(' or ');
  return `${who}, ${ports === 'any' ? 'any port' : ports.map(formatPort).join(' ')}`;
}

function formatPeer(plan: PolicyPlan, peer: PeerPlan): string {
  if (peer.kind === 'block') return [peer.cidr, ...peer.except.map((except) => `but ${except}`)].join(' ');
  const set = plan.sets.get(peer.set);
  return `${set?.label} (${[...(set?.elements.keys() ?? [])].sort().join(' ') || 'nobody'})`;
}

export function formatPort(port: PortPlan): string {
  if (port.kind === 'name') return `${port.protocol} ${port.name}`;
  if (port.first === ALL_PORTS.first && port.last === ALL_PORTS.last) return port.protocol;
  return `${port.protocol} ${port.first}${port.last === port.first ? '' : `-${port.last}`}`;
}
