/**
 * What a node's kernel should hold for Services, as a plain value. Nothing in it depends on how it is written into the
 * kernel: both back ends, the tracer and the explainer read the same plan.
 */

export type Family = 'ipv4' | 'ipv6';
export type Protocol = 'tcp' | 'udp' | 'sctp';

/**
 * Whose address is replaced on the way to an endpoint under policy `Cluster`, beside those that reach themselves.
 * `remote`: only of what comes from elsewhere and leaves the node again. `always`: of everything that comes through a
 * node port, an outside address or from outside the pods, also where the endpoint is here: the classic iptables rules.
 */
export type Masquerade = 'remote' | 'always';

/** The node that a plan is for. */
export interface NodeFacts {
  readonly name: string;
  /** Its own addresses, both families. */
  readonly addresses: readonly string[];
  /** Those on which node ports answer. Default: all. */
  readonly nodePortAddresses?: readonly string[];
  /** Where its pods' addresses come from; empty until the node has one. */
  readonly podCIDRs: readonly string[];
  /** All pods of the cluster. */
  readonly clusterCIDRs: readonly string[];
  /** Label `topology.kubernetes.io/zone`. */
  readonly zone?: string;
  /** Default `remote`. */
  readonly masquerade?: Masquerade;
}

export interface PlannedEndpoint {
  readonly address: string;
  readonly port: number;
  /** It is on the plan's own node. */
  readonly local: boolean;
  readonly nodeName?: string;
  /** `namespace/name` of the object behind it. */
  readonly target?: string;
}

/** A pool's name, or what happens where there is none to go to. */
export type Destination = 'cluster' | 'local' | 'refuse' | 'drop';

export type FrontEndKind = 'ClusterIP' | 'ExternalIP' | 'LoadBalancer' | 'NodePort' | 'HostPort';

/** An address and port that the kernel answers for. */
export interface FrontEnd {
  readonly kind: FrontEndKind;
  /** Not there for node ports: these are any of the node's addresses. */
  readonly address?: string;
  readonly port: number;
  /** For pods of the cluster and for the node itself; of node ports, in nftables, for this node's pods only. */
  readonly fromCluster: Destination;
  /** For everybody else. */
  readonly fromOutside: Destination;
  /** Only these may connect (`loadBalancerSourceRanges`); none contains another. */
  readonly sourceRanges?: readonly string[];
}

/** One port of a Service in one family. */
export interface PortPlan {
  /** `namespace/name:port`, as rules say it. */
  readonly label: string;
  /** The port's own name; not there where the Service's only port has none, and for host ports. */
  readonly portName?: string;
  readonly family: Family;
  readonly protocol: Protocol;
  readonly frontEnds: readonly FrontEnd[];
  /** Only pools that a front end names, each in a fixed order. */
  readonly pools: { readonly cluster?: readonly PlannedEndpoint[]; readonly local?: readonly PlannedEndpoint[] };
  /** ClientIP affinity, in seconds. */
  readonly affinitySeconds?: number;
}

/** What one object wants of the kernel: a Service, or a pod with host ports. */
export interface PlanEntry {
  /** `namespace/name` of a Service, `pod/namespace/name` for host ports. */
  readonly key: string;
  /** RFC 3339: of two that claim one address and port, the older has it. */
  readonly createdAt: string;
  readonly ports: readonly PortPlan[];
  readonly healthCheck?: { readonly port: number; readonly localEndpoints: number };
}

export type ServicePlan = ReadonlyMap<string, PlanEntry>;

/** How many entries have a `Local` policy and no endpoint on this node, although there are some elsewhere. */
export function withoutLocal(entries: Iterable<PlanEntry>): { internal: number; external: number } {
  const counts = { internal: 0, external: 0 };
  for (const { ports } of entries) {
    const fronts = ports.flatMap((port) => port.frontEnds);
    if (fronts.some((front) => front.kind === 'ClusterIP' && front.fromCluster === 'drop')) counts.internal++;
    if (fronts.some((front) => front.kind !== 'ClusterIP' && front.fromOutside === 'drop')) counts.external++;
  }
  return counts;
}

/** The plan as lines that a person reads, sorted. */
export function formatPlan(plan: ServicePlan): string {
  return [...plan.values()]
    .sort((a, b) => (a.key < b.key ? -1 : 1))
    .flatMap((entry) => entry.ports.flatMap(formatPort))
    .join('\n');
}

function formatPort(port: PortPlan): string[] {
  const affinity = port.affinitySeconds === undefined ? '' : ` affinity ${port.affinitySeconds}s`;
  const fronts = port.frontEnds.map((front) => {
    const address = front.address ?? 'node';
    const outside = front.fromOutside === front.fromCluster ? '' : `, from outside ${front.fromOutside}`;
    const ranges = front.sourceRanges ? `, only ${front.sourceRanges.join(' ')}` : '';
    return `  ${front.kind} ${address}:${port.protocol}:${front.port} → ${front.fromCluster}${outside}${ranges}`;
  });
  const pools = Object.entries(port.pools).map(
    ([name, endpoints]) => `  ${name}: ${endpoints.map((e) => `${e.address}:${e.port}`).join(' ') || '-'}`,
  );
  return [`${port.label}${affinity}`, ...fronts, ...pools];
}
