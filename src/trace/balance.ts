import type { EndpointSlice, Node, Service } from '../api/types.ts';
import { KnitError } from '../base/errors.ts';
import { percent } from '../base/percent.ts';
import { isEligible } from '../edge/loadbalancer/plan.ts';
import type { Masquerade, NodeFacts, PlannedEndpoint } from '../proxy/plan.ts';
import { planService } from '../proxy/services.ts';

/** How outside connections to a Service spread over its pods, under one policy, as the plans say. */
export interface Balance {
  readonly policy: TrafficPolicy;
  /** Sorted by node, then by name. */
  readonly pods: readonly PodShare[];
  /** Nodes that get connections. */
  readonly nodes: readonly NodeShare[];
  /** Share of connections that leave the node they came to, and lose the client's address there. */
  readonly secondHop: number;
  /** Share of connections whose server sees the client. */
  readonly clientKept: number;
  /** Share of connections that no pod gets. */
  readonly lost: number;
}

export type TrafficPolicy = 'Cluster' | 'Local';

export interface PodShare {
  /** `namespace/name`, or the endpoint's address where no object is behind it. */
  readonly pod: string;
  /** `10.244.1.2:8080` */
  readonly endpoint: string;
  readonly node: string;
  /** Of all connections, from 0 to 1. */
  readonly share: number;
}

export interface NodeShare {
  readonly node: string;
  readonly share: number;
  /** How many of the Service's pods it has. */
  readonly pods: number;
}

export interface BalanceInput {
  readonly service: Service;
  readonly slices: readonly EndpointSlice[];
  readonly nodes: readonly Node[];
  /** Name or number of a port. Default: the first. */
  readonly port?: string;
  /** What share of new connections a load balancer gives each of these nodes. Default: the same. */
  readonly spread?: (nodes: readonly string[]) => ReadonlyMap<string, number>;
  /** What nodes do under `Cluster`. Default `remote`: a connection to a pod of the node that it came to keeps its client. */
  readonly masquerade?: Masquerade;
}

export function policyOf({ spec }: Service): TrafficPolicy {
  return spec?.externalTrafficPolicy === 'Local' ? 'Local' : 'Cluster';
}

/** Throws `BALANCE_NOT_OUTSIDE` where nobody outside reaches the Service, `PORT_UNKNOWN`. */
export function expectedBalance(input: BalanceInput, policy: TrafficPolicy): Balance {
  const nodes = input.nodes.filter(isEligible).map((node) => nodeView(input, node, policy));
  const serving = nodes.filter(({ gets }) => gets);
  const spread = (input.spread ?? evenly)(serving.map(({ name }) => name));
  const pods = new Map<string, PodShare>();
  // Every pod has a line, also one that gets nothing.
  for (const endpoint of nodes.flatMap(({ all }) => all)) pods.set(textOf(endpoint), podShare(endpoint, 0));
  let secondHop = 0;
  let delivered = 0;
  for (const { name, pool } of serving) {
    const each = (spread.get(name) ?? 0) / pool.length;
    for (const endpoint of pool) {
      const present = pods.get(textOf(endpoint))?.share ?? 0;
      pods.set(textOf(endpoint), podShare(endpoint, present + each));
      delivered += each;
      if (!endpoint.local) secondHop += each;
    }
  }
  const hidden = policy === 'Cluster' && input.masquerade === 'always' ? delivered : secondHop;
  const list = [...pods.values()].toSorted((a, b) => compare(a.node, b.node) || compare(a.pod, b.pod));
  return {
    policy,
    pods: list,
    nodes: serving.map(({ name }) => ({
      node: name,
      share: spread.get(name) ?? 0,
      pods: list.filter(({ node }) => node === name).length,
    })),
    secondHop,
    clientKept: delivered - hidden,
    lost: Math.max(0, 1 - delivered),
  };
}

/** How many times its fair share the busiest pod gets; 1 where all get the same. */
export function unevenness({ pods }: Balance): number {
  const all = pods.reduce((sum, { share }) => sum + share, 0);
  return all === 0 ? 1 : (Math.max(...pods.map(({ share }) => share)) * pods.length) / all;
}

/** More than a tenth above its fair share is what people notice; less is how 256 buckets divide. */
const noticeable = 1.1;

/** What to do, in a sentence or two. */
export function advice(now: Balance, other: Balance): string {
  if (now.pods.length === 0) return 'There is no ready pod: nothing is balanced.';
  const [local, cluster] = now.policy === 'Local' ? [now, other] : [other, now];
  const uneven = unevenness(local) > noticeable;
  if (now.policy === 'Local') {
    if (uneven)
      return `${busiest(local)} ${remedy(local)} Or use Cluster: even, but ${percent(cluster.secondHop)} of connections take a second hop.`;
    return `Even, with one hop and the client’s address. It stays so while nodes with pods have equally many: ${constraint}.`;
  }
  if (unevenness(cluster) > noticeable)
    return `${busiest(cluster)} Topology hints keep connections near, pods are not as near to all.`;
  if (uneven)
    return `Even. Local would keep the client’s address and spare ${percent(cluster.secondHop)} of connections a second hop, but as the pods stand: ${busiest(local)} ${remedy(local)}`;
  return `Even. Local would be even too, keep the client’s address and spare ${percent(cluster.secondHop)} of connections a second hop.`;
}

const constraint =
  'topologySpreadConstraints with maxSkew 1, topologyKey kubernetes.io/hostname, whenUnsatisfiable DoNotSchedule';

function busiest(balance: Balance): string {
  const top = balance.pods.toSorted((a, b) => b.share - a.share)[0]!;
  const fair = 1 / balance.pods.length;
  return `${top.pod} gets ${percent(top.share)} where ${percent(fair)} would be fair: nodes get the same, whatever pods they have.`;
}

function remedy({ pods, nodes }: Balance): string {
  const each = Math.ceil(pods.length / Math.max(1, nodes.length)) * nodes.length;
  const count = each === pods.length ? '' : ` and ${each} replicas for the ${nodes.length} nodes that have pods`;
  return `Even it out by ${constraint}${count}.`;
}

interface NodeView {
  readonly name: string;
  /** The load balancer sends to it. */
  readonly gets: boolean;
  readonly pool: readonly PlannedEndpoint[];
  /** Every endpoint that serves, wherever it is. */
  readonly all: readonly PlannedEndpoint[];
}

function nodeView(input: BalanceInput, node: Node, policy: TrafficPolicy): NodeView {
  const facts = nodeFactsOf(node);
  const { front, port } = frontOf(input, facts, policy);
  const pool =
    front.fromOutside === 'local' || front.fromOutside === 'cluster' ? (port.pools[front.fromOutside] ?? []) : [];
  const all = policy === 'Cluster' ? pool : (frontOf(input, facts, 'Cluster').port.pools.cluster ?? []);
  return { name: facts.name, gets: pool.length > 0, pool, all };
}

/** The plan of the Service's port on a node, as if its policy were another one. */
function frontOf({ service, slices, port }: BalanceInput, facts: NodeFacts, policy: TrafficPolicy) {
  const asked = { ...service, spec: { ...service.spec, externalTrafficPolicy: policy } };
  const plans = planService(asked, slices, facts)?.ports ?? [];
  const fronts = plans.flatMap((each) =>
    each.frontEnds.flatMap((front) =>
      front.kind === 'LoadBalancer' || front.kind === 'NodePort' ? [{ front, port: each }] : [],
    ),
  );
  if (fronts.length === 0) {
    throw new KnitError(
      'BALANCE_NOT_OUTSIDE',
      `the Service ${service.metadata?.name} is not reached from outside`,
      'its type must be LoadBalancer or NodePort; inside, every pod gets the same',
    );
  }
  const names = new Set(
    service.spec?.ports
      ?.filter(({ name, port: number }) => port === undefined || name === port || String(number) === port)
      .map(({ name, port: number }) => name ?? String(number)),
  );
  const found = fronts.find(({ port: { label } }) => names.has(label.slice(label.lastIndexOf(':') + 1)));
  if (found) return found;
  throw new KnitError('PORT_UNKNOWN', `the Service has no port ${port}`, 'see: kubectl get service -o wide');
}

/** A node as plans of Services see it, by its object alone. */
export function nodeFactsOf({ metadata, spec, status }: Node): NodeFacts {
  return {
    name: metadata?.name ?? '',
    addresses: (status?.addresses ?? []).filter(({ type }) => type === 'InternalIP').map(({ address }) => address),
    podCIDRs: spec?.podCIDRs ?? [],
    clusterCIDRs: [],
    zone: metadata?.labels?.['topology.kubernetes.io/zone'],
  };
}

function evenly(nodes: readonly string[]): ReadonlyMap<string, number> {
  return new Map(nodes.map((node) => [node, 1 / nodes.length]));
}

function podShare(endpoint: PlannedEndpoint, share: number): PodShare {
  return { pod: endpoint.target ?? textOf(endpoint), endpoint: textOf(endpoint), node: endpoint.nodeName ?? '', share };
}

function textOf({ address, port }: PlannedEndpoint): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
