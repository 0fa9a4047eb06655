import { BlockList } from 'node:net';
import { familyOf } from '../base/cidr.ts';
import { canonicalAddress } from '../base/prefixes.ts';
import type { BlockPeer, Direction, PeerPlan, PodPlan, PolicyPlan, PortPlan, Protocol, RulePlan } from './plan.ts';

/**
 * A packet as the node's forward hook sees it: the destination is the endpoint behind a Service's address, the source
 * is not masqueraded yet.
 */
export interface Packet {
  readonly protocol: Protocol | 'icmp';
  readonly source: string;
  readonly destination: string;
  /** Not there for ICMP. */
  readonly port?: number;
  /** Of a connection that was admitted before, in either direction. Default false. */
  readonly established?: boolean;
}

export interface Verdict {
  readonly allowed: boolean;
  /** In the order in which it was found; where it is denied the last one denies. */
  readonly by: readonly Reason[];
}

export type Reason =
  | { readonly kind: 'established' }
  | { readonly kind: 'same-pod'; readonly pod: string }
  | { readonly kind: 'own-node' }
  /** An address of this node's pods that no planned pod has. */
  | { readonly kind: 'unplanned'; readonly address: string }
  /** The packet's source (egress) or destination (ingress) is a pod that no policy isolates. */
  | { readonly kind: 'not-selected'; readonly direction: Direction; readonly pod: string }
  /** `rule` counts from 1. */
  | {
      readonly kind: 'rule';
      readonly direction: Direction;
      readonly pod: string;
      readonly policy: string;
      readonly rule: number;
    }
  /** Isolated by these policies, none of whose rules admits the packet. */
  | {
      readonly kind: 'default-deny';
      readonly direction: Direction;
      readonly pod: string;
      readonly policies: readonly string[];
    };

/** One step of the way: ends it (`allowed`), or adds what it found and lets the next one look. */
type Evaluator = (plan: PolicyPlan, packet: Packet) => { readonly allowed?: boolean; readonly by?: Reason } | undefined;

/** In the order of the kernel's rules (nftables/ruleset.ts). */
const evaluators: readonly Evaluator[] = [
  (_plan, packet) => (packet.established ? { allowed: true, by: { kind: 'established' } } : undefined),
  ownNode,
  samePod,
  (plan, packet) => unplanned(plan, packet.source),
  (plan, packet) => unplanned(plan, packet.destination),
  (plan, packet) => isolation(plan, packet, 'egress'),
  (plan, packet) => isolation(plan, packet, 'ingress'),
];

/** Whether the plan's node lets a packet of one of its pods pass, and by what. */
export function verdict(plan: PolicyPlan, packet: Packet): Verdict {
  const canonical = {
    ...packet,
    source: canonicalAddress(packet.source) ?? packet.source,
    destination: canonicalAddress(packet.destination) ?? packet.destination,
  };
  const by: Reason[] = [];
  for (const evaluate of evaluators) {
    const found = evaluate(plan, canonical);
    if (found?.by) by.push(found.by);
    if (found?.allowed !== undefined) return { allowed: found.allowed, by };
  }
  return { allowed: true, by };
}

/** "traffic to and from the node where a Pod is running is always allowed" (Kubernetes' documentation). */
function ownNode(plan: PolicyPlan, { source, destination }: Packet) {
  const own = plan.node.addresses.includes(source) || plan.node.addresses.includes(destination);
  return own ? ({ allowed: true, by: { kind: 'own-node' } } as const) : undefined;
}

/** "A Pod cannot block access to itself." */
function samePod(plan: PolicyPlan, { source, destination }: Packet) {
  const pod = source === destination ? plan.podsByAddress.get(source) : undefined;
  return pod && ({ allowed: true, by: { kind: 'same-pod', pod: pod.key } } as const);
}

function unplanned(plan: PolicyPlan, address: string) {
  if (plan.podsByAddress.has(address)) return undefined;
  const family = familyOf(address);
  const local = plan.node.podCIDRs.some(
    (cidr) => familyOf(cidr) === family && inBlock({ kind: 'block', family, cidr, except: [] }, address),
  );
  return local ? ({ allowed: false, by: { kind: 'unplanned', address } } as const) : undefined;
}

function isolation(plan: PolicyPlan, packet: Packet, direction: Direction): ReturnType<Evaluator> {
  const pod = plan.podsByAddress.get(direction === 'egress' ? packet.source : packet.destination);
  if (!pod) return undefined;
  if (pod[direction].length === 0) return { by: { kind: 'not-selected', direction, pod: pod.key } };
  const admitting = admittingRule(plan, pod, packet, direction);
  if (admitting) return { by: { kind: 'rule', direction, pod: pod.key, ...admitting } };
  return { allowed: false, by: { kind: 'default-deny', direction, pod: pod.key, policies: pod[direction] } };
}

function admittingRule(plan: PolicyPlan, pod: PodPlan, packet: Packet, direction: Direction) {
  for (const policy of pod[direction]) {
    const rules = plan.policies.get(policy)?.[direction] ?? [];
    const index = rules.findIndex((rule) => admits(plan, rule, packet, direction));
    if (index >= 0) return { policy, rule: index + 1 };
  }
  return undefined;
}

/** Whether a rule admits a packet, by both its peers and its ports. */
export function admits(plan: PolicyPlan, rule: RulePlan, packet: Packet, direction: Direction): boolean {
  const peer = direction === 'ingress' ? packet.source : packet.destination;
  const peerMatches = rule.peers === 'anyone' || rule.peers.some((each) => matchesPeer(plan, each, peer));
  return peerMatches && (rule.ports === 'any' || rule.ports.some((port) => matchesPort(plan, port, packet)));
}

function matchesPeer(plan: PolicyPlan, peer: PeerPlan, address: string): boolean {
  return peer.kind === 'pods' ? plan.sets.get(peer.set)?.elements.has(address) === true : inBlock(peer, address);
}

function matchesPort(plan: PolicyPlan, port: PortPlan, packet: Packet): boolean {
  if (packet.port === undefined || port.protocol !== packet.protocol) return false;
  if (port.kind === 'numbers') return port.first <= packet.port && packet.port <= port.last;
  return plan.sets.get(port.set)?.elements.has(`${packet.destination} . ${packet.port}`) === true;
}

/** Prefixes are parsed once a block. */
const parsed = new WeakMap<BlockPeer, { readonly inside: BlockList; readonly except: BlockList }>();

function inBlock(block: BlockPeer, address: string): boolean {
  const family = familyOf(address);
  if (family !== block.family) return false;
  let lists = parsed.get(block);
  if (!lists) {
    lists = { inside: blockList([block.cidr]), except: blockList(block.except) };
    parsed.set(block, lists);
  }
  return lists.inside.check(address, family) && !lists.except.check(address, family);
}

function blockList(prefixes: readonly string[]): BlockList {
  const list = new BlockList();
  for (const prefix of prefixes) {
    const [address = '', bits] = prefix.split('/');
    const family = familyOf(address);
    list.addSubnet(address, Number(bits ?? (family === 'ipv6' ? 128 : 32)), family);
  }
  return list;
}

/** A verdict as a sentence: `denied: ingress of shop/db-0: no rule of shop/db-only admits it`. */
export function formatVerdict({ allowed, by }: Verdict): string {
  const reasons = by.map(formatReason).join('; ');
  return `${allowed ? 'allowed' : 'denied'}: ${reasons || 'no pod of this node'}`;
}

export function formatReason(reason: Reason): string {
  switch (reason.kind) {
    case 'established':
      return 'part of an admitted connection';
    case 'same-pod':
      return `${reason.pod} to itself`;
    case 'own-node':
      return "to or from the pod's own node";
    case 'unplanned':
      return `no pod of this node is known to have ${reason.address}`;
    case 'not-selected':
      return `${reason.direction} of ${reason.pod}: no policy selects it`;
    case 'rule':
      return `${reason.direction} of ${reason.pod}: rule ${reason.rule} of ${reason.policy} admits it`;
    case 'default-deny':
      return `${reason.direction} of ${reason.pod}: no rule of ${reason.policies.join(', ')} admits it`;
  }
}
