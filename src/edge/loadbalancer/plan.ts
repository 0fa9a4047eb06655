import type { Node, Service } from '../../api/types.ts';
import { familyOf, type IPFamily, indexOf, parseCIDR } from '../../base/cidr.ts';
import { withoutContained } from '../../base/prefixes.ts';
import { type AddressPool, addressesOf, isBalanced, keyOf } from './addresses.ts';
import { dealBuckets } from './maglev.ts';

/** What the fabric's kernel should hold for load balancers, as a plain value. */
export interface LoadBalancerPlan {
  /** All that connections may be led to, those that get no new ones included: they keep what they have. */
  readonly nodes: readonly BalancedNode[];
  readonly addresses: readonly VirtualAddress[];
}

export interface BalancedNode {
  readonly name: string;
  readonly addresses: Readonly<Partial<Record<IPFamily, string>>>;
  /** Of its connections. From its place in the nodes' network: the same after every restart. */
  readonly mark: number;
}

export interface VirtualAddress {
  readonly address: string;
  readonly family: IPFamily;
  /** `namespace/name` of the Service. */
  readonly service: string;
  /** What chooses the node: the whole flow, or the client alone (`sessionAffinity: ClientIP`). */
  readonly by: 'flow' | 'client';
  /** Names of the nodes that get new connections, sorted. */
  readonly nodes: readonly string[];
  /** With `ipMode: Proxy`: the ports, which the load balancer translates to node ports. */
  readonly proxied?: readonly ProxiedPort[];
  /** The same: who may connect (`loadBalancerSourceRanges`); of other addresses the nodes take care. */
  readonly sourceRanges?: readonly string[];
}

export interface ProxiedPort {
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  readonly port: number;
  readonly nodePort: number;
}

/** An HTTP request whose answer says whether a node shall get new connections. */
export interface HealthCheck {
  readonly address: string;
  readonly port: number;
}

/** A hash of a flow leads to one of so many buckets, and a bucket to a node. */
export const bucketCount = 256;

/** Who has a label of this name, whatever its value, gets nothing. */
const EXCLUDE_LABEL = 'node.kubernetes.io/exclude-from-external-load-balancers';
const PROXY_HEALTH_PORT = 10256;

export interface PlanInput {
  readonly services: readonly Service[];
  readonly nodes: readonly Node[];
  readonly pools: readonly AddressPool[];
  /** IPv4, `10.89.0.0/24`: the mark of a node is its place in it. */
  readonly nodeCIDR: string;
}

export function planLoadBalancers(input: PlanInput, healthy: (check: HealthCheck) => boolean): LoadBalancerPlan {
  const nodes = nodesHere(input).map((node) => ({
    name: nameOf(node),
    addresses: internalIPsOf(node),
    mark: markOf(node, input) ?? 0,
  }));
  const eligible = nodesHere(input).filter(isEligible);
  const addresses = input.services.filter(isBalanced).flatMap((service) => {
    const ready = eligible.filter((node) => healthy(checkOf(service, node)));
    return addressesOf(service, input.pools).map((address) => virtualAddress(service, address, ready));
  });
  return { nodes, addresses };
}

function virtualAddress(service: Service, address: string, ready: readonly Node[]): VirtualAddress {
  const family = familyOf(address);
  const nodes = ready.filter((node) => internalIPsOf(node)[family] !== undefined);
  const proxied = proxiedPortsOf(service);
  const sourceRanges = sourceRangesOf(service, family);
  return {
    address,
    family,
    service: keyOf(service),
    by: service.spec?.sessionAffinity === 'ClientIP' ? 'client' : 'flow',
    nodes: nodes.map(nameOf).toSorted(),
    ...(proxied ? { proxied } : {}),
    ...(proxied && sourceRanges ? { sourceRanges } : {}),
  };
}

/** All that must be asked for {@link planLoadBalancers}. Nothing, where there are no load balancers. */
export function checksFor(input: PlanInput): HealthCheck[] {
  const balanced = input.services.filter((each) => isBalanced(each) && addressesOf(each, input.pools).length > 0);
  if (balanced.length === 0) return [];
  // A node's own check also tells whether it is dead, whatever it serves.
  return nodesHere(input).flatMap((node) => [nodeCheck(node), ...balanced.map((service) => checkOf(service, node))]);
}

export function nodeCheck(node: Node): HealthCheck {
  const { ipv4, ipv6 } = internalIPsOf(node);
  return { address: ipv4 ?? ipv6 ?? '', port: PROXY_HEALTH_PORT };
}

/** Share of new connections that each node gets, by name; they add up to 1. */
export function nodeShares(nodes: readonly string[]): ReadonlyMap<string, number> {
  const owners = dealBuckets(nodes, bucketCount);
  return new Map(nodes.map((name, index) => [name, owners.filter((owner) => owner === index).length / bucketCount]));
}

/** Cordoning is not among the reasons: it keeps new pods away, not connections. */
export function isEligible({ metadata, status }: Node): boolean {
  return (
    metadata?.deletionTimestamp === undefined &&
    metadata?.labels?.[EXCLUDE_LABEL] === undefined &&
    status?.conditions?.find((each) => each.type === 'Ready')?.status === 'True'
  );
}

/** `Local`: whether the node has pods of the Service. `Cluster`: whether its proxy works at all. */
function checkOf({ spec }: Service, node: Node): HealthCheck {
  const local = spec?.externalTrafficPolicy === 'Local' && spec.healthCheckNodePort;
  return local ? { ...nodeCheck(node), port: local } : nodeCheck(node);
}

function proxiedPortsOf({ spec, status }: Service): ProxiedPort[] | undefined {
  if (status?.loadBalancer?.ingress?.[0]?.ipMode !== 'Proxy') return undefined;
  return (spec?.ports ?? []).flatMap(({ protocol = 'TCP', port, nodePort }) =>
    nodePort ? [{ protocol: protocol.toLowerCase() as ProxiedPort['protocol'], port, nodePort }] : [],
  );
}

/** Nodes in the nodes' network: others (hollow ones) are nowhere that a packet could be led to. */
function nodesHere(input: PlanInput): Node[] {
  return input.nodes.filter((node) => markOf(node, input) !== undefined);
}

function markOf(node: Node, { nodeCIDR }: PlanInput): number | undefined {
  const network = parseCIDR(nodeCIDR);
  return indexOf(network, internalIPsOf(node)[network.family] ?? '');
}

function sourceRangesOf({ spec }: Service, family: IPFamily): string[] | undefined {
  const ranges = (spec?.loadBalancerSourceRanges ?? []).map((range) => range.trim());
  const mine = withoutContained(ranges.filter((range) => familyOf(range) === family));
  return mine.length === 0 || mine.some((range) => range.endsWith('/0')) ? undefined : mine;
}

function internalIPsOf({ status }: Node): BalancedNode['addresses'] {
  const internal = status?.addresses?.filter(({ type }) => type === 'InternalIP') ?? [];
  return Object.fromEntries(internal.map(({ address }) => [familyOf(address), address]));
}

function nameOf(node: Node): string {
  return node.metadata?.name ?? '';
}
