import { BlockList } from 'node:net';
import { familyOf } from '../../base/cidr.ts';
import type { IptablesTable } from '../../kernel/iptables.ts';
import type { Destination, Family, FrontEnd, PlanEntry, PlannedEndpoint, PortPlan } from '../plan.ts';
import {
  chainName,
  EXTERNAL_SERVICES,
  FIREWALL,
  HOSTPORTS,
  MARK_MASQ,
  MARK_OUTSIDE,
  NODEPORTS,
  SERVICES,
} from './names.ts';
import { comment, endpointText, oneOf, prefix, recentList, reject, to } from './rules.ts';

/** What rules depend on beside the plan. */
export interface Surroundings {
  readonly family: Family;
  /** Of the family; none contains another. */
  readonly clusterCIDRs: readonly string[];
  readonly nodeAddresses: readonly string[];
  /** Where node ports answer; `undefined`: on every address. */
  readonly nodePortAddresses?: readonly string[];
}

/** A rule of a chain that all entries share. */
export interface SharedRule {
  readonly table: IptablesTable;
  readonly chain: string;
  readonly rule: string;
  /** Address, protocol and port that it is for: of two entries only one has it. */
  readonly claim: string;
  /** It stands behind all that are for single ports. */
  readonly last?: boolean;
}

export interface EntryRules {
  /** Chains in `nat` that are this entry's alone; none jumps to a later one. */
  readonly chains: ReadonlyMap<string, readonly string[]>;
  readonly shared: readonly SharedRule[];
}

/** One entry in the chains that kube-proxy makes of it. */
export function entryRules(entry: PlanEntry, around: Surroundings): EntryRules {
  const chains = new Map<string, readonly string[]>();
  const shared: SharedRule[] = [];
  let name = entry.key;
  for (const port of entry.ports) {
    if (port.family !== around.family) continue;
    if (port.frontEnds.some((front) => front.kind === 'HostPort')) {
      addHostPort(port, chains, shared);
      continue;
    }
    name = servicePortName(entry, port);
    addPort(name, port, around, chains, shared);
  }
  if (entry.healthCheck) {
    const claim = `health ${entry.healthCheck.port}`;
    const rule = `${to(undefined, 'tcp', entry.healthCheck.port, `${name} health check node port`)} -j ACCEPT`;
    shared.push({ table: 'filter', chain: NODEPORTS, rule, claim });
  }
  return { chains, shared };
}

/** `namespace/name:port`, or without the port where that has no name. */
function servicePortName(entry: PlanEntry, port: PortPlan): string {
  return port.portName === undefined ? entry.key : `${entry.key}:${port.portName}`;
}

/** The chains of one port, by what they are for. */
interface PortChains {
  readonly name: string;
  readonly port: PortPlan;
  readonly cluster: string;
  readonly local: string;
  readonly external: string;
  readonly firewall: string;
  readonly around: Surroundings;
}

function addPort(
  name: string,
  port: PortPlan,
  around: Surroundings,
  chains: Map<string, readonly string[]>,
  shared: SharedRule[],
): void {
  const chainsOf = (kind: 'SVC' | 'SVL' | 'EXT' | 'FW') => chainName(kind, name, port.protocol);
  const own: PortChains = {
    name,
    port,
    cluster: chainsOf('SVC'),
    local: chainsOf('SVL'),
    external: chainsOf('EXT'),
    firewall: chainsOf('FW'),
    around,
  };
  const { cluster = [], local = [] } = port.pools;
  for (const endpoint of distinct([...cluster, ...local]))
    chains.set(endpointChain(own, endpoint), toEndpoint(own, endpoint));
  if (cluster.length > 0) chains.set(own.cluster, [...maskOutside(own, 'cluster'), ...choose(own, cluster)]);
  if (local.length > 0) chains.set(own.local, [...maskOutside(own, 'local'), ...choose(own, local)]);
  const outside = port.frontEnds.find((front) => front.kind !== 'ClusterIP');
  if (outside && reachesEndpoints(outside)) chains.set(own.external, external(own, outside));
  for (const front of port.frontEnds) {
    if (front.sourceRanges && reachesEndpoints(front)) {
      const before = chains.get(own.firewall)?.slice(0, -1) ?? [];
      const allowed = allow(own, front).filter((rule) => !before.includes(rule));
      chains.set(own.firewall, [...before, ...allowed, otherTraffic(own)]);
    }
    shared.push(...frontEndRules(own, front));
  }
}

function distinct(endpoints: readonly PlannedEndpoint[]): PlannedEndpoint[] {
  return [...new Map(endpoints.map((endpoint) => [endpointText(endpoint), endpoint])).values()];
}

const isPool = (destination: Destination) => destination === 'cluster' || destination === 'local';
const reachesEndpoints = (front: FrontEnd) => isPool(front.fromCluster) || isPool(front.fromOutside);

function endpointChain({ name, port }: PortChains, endpoint: PlannedEndpoint): string {
  return chainName('SEP', name, port.protocol, endpointText(endpoint));
}

function toEndpoint(own: PortChains, endpoint: PlannedEndpoint): string[] {
  const { name, port } = own;
  const remember =
    port.affinitySeconds === undefined
      ? ''
      : `-m recent --set ${recentList(endpointChain(own, endpoint), port.family)} `;
  return translate(port, endpoint, name, remember);
}

/** An endpoint that reaches itself must be answered through this node. */
function translate({ protocol }: PortPlan, endpoint: PlannedEndpoint, said: string, remember = ''): string[] {
  return [
    `-s ${prefix(endpoint.address)} ${comment(said)} -j ${MARK_MASQ}`,
    `-p ${protocol} ${comment(said)} ${remember}-m ${protocol} -j DNAT --to-destination ${endpointText(endpoint)}`,
  ];
}

/** Who comes to a cluster IP and is no pod must be answered through this node. */
function maskOutside({ name, port, around }: PortChains, pool: 'cluster' | 'local'): string[] {
  const [cidr, another] = around.clusterCIDRs;
  if (cidr === undefined) return [];
  return port.frontEnds
    .filter((front) => front.kind === 'ClusterIP' && front.fromCluster === pool)
    .map((front) => {
      const rule = to(front.address, port.protocol, front.port, `${name} cluster IP`);
      return another === undefined ? `! -s ${cidr} ${rule} -j ${MARK_MASQ}` : `${rule} -j ${MARK_OUTSIDE}`;
    });
}

/** The endpoint that the client had, then one by chance: the first of n with 1/n, the next with 1/(n-1) … */
function choose(own: PortChains, endpoints: readonly PlannedEndpoint[]): string[] {
  const { name, port } = own;
  const { affinitySeconds } = port;
  const known =
    affinitySeconds === undefined
      ? []
      : endpoints.map((endpoint) => {
          const chain = endpointChain(own, endpoint);
          const seen = `-m recent --rcheck --seconds ${affinitySeconds} --reap ${recentList(chain, port.family)}`;
          return `${comment(name)} ${seen} -j ${chain}`;
        });
  const random = endpoints.map((endpoint, index) => {
    const left = endpoints.length - index;
    const chance = left > 1 ? `${oneOf(left)} ` : '';
    return `${comment(`${name} -> ${endpointText(endpoint)}`)} ${chance}-j ${endpointChain(own, endpoint)}`;
  });
  return [...known, ...random];
}

/** Traffic to node ports, external addresses and load balancers. */
function external({ name, around, cluster, local }: PortChains, front: FrontEnd): string[] {
  if (front.fromOutside === 'cluster') {
    return [`${comment(`masquerade traffic for ${name} external destinations`)} -j ${MARK_MASQ}`, `-j ${cluster}`];
  }
  // Pods and the node itself use every endpoint, as if they had asked for the cluster IP.
  const fromPods = comment(`pod traffic for ${name} external destinations`);
  const fromNode = '-m addrtype --src-type LOCAL';
  return [
    ...around.clusterCIDRs.map((cidr) => `-s ${cidr} ${fromPods} -j ${cluster}`),
    `${comment(`masquerade LOCAL traffic for ${name} external destinations`)} ${fromNode} -j ${MARK_MASQ}`,
    `${comment(`route LOCAL traffic for ${name} external destinations`)} ${fromNode} -j ${cluster}`,
    ...(front.fromOutside === 'local' ? [`-j ${local}`] : []),
  ];
}

/** Sources that a load balancer admits, and its own address where that is the node's, as the node then comes with it. */
function allow({ name, external, around }: PortChains, front: FrontEnd): string[] {
  const ranges = (front.sourceRanges ?? []).map(prefix);
  const list = new BlockList();
  for (const range of ranges) {
    const [address = '', length = ''] = range.split('/');
    list.addSubnet(address, Number(length), familyOf(address));
  }
  const nodeIsAllowed = around.nodeAddresses.some((address) => list.check(address, familyOf(address)));
  const sources = nodeIsAllowed && front.address !== undefined ? [...ranges, prefix(front.address)] : ranges;
  return sources.map((source) => `-s ${source} ${comment(`${name} loadbalancer IP`)} -j ${external}`);
}

function otherTraffic({ name }: PortChains): string {
  return comment(`other traffic to ${name} will be dropped by ${FIREWALL}`);
}

/** What leads to the port's chains, and what ends where there is nothing to lead to. */
function frontEndRules(own: PortChains, front: FrontEnd): SharedRule[] {
  const { name, port } = own;
  const claim = `${front.address ?? 'node'} ${port.protocol} ${front.port}`;
  const rule = (table: IptablesTable, chain: string, said: string, target: string, more = ''): SharedRule => ({
    table,
    chain,
    rule: `${to(front.address, port.protocol, front.port, said, more)} ${target}`,
    claim,
  });
  const ended = front.kind === 'ClusterIP' ? front.fromCluster : front.fromOutside;
  const endChain = front.kind === 'ClusterIP' ? SERVICES : EXTERNAL_SERVICES;
  const onNode = front.kind === 'NodePort' ? '-m addrtype --dst-type LOCAL ' : '';
  const rules: SharedRule[] = [];
  if (reachesEndpoints(front)) {
    const chain = front.kind === 'NodePort' ? NODEPORTS : SERVICES;
    rules.push(rule('nat', chain, said(name, front), `-j ${targetOf(own, front)}`));
    if (front.sourceRanges) {
      rules.push(rule('filter', FIREWALL, `${name} traffic not accepted by ${own.firewall}`, '-j DROP'));
    }
  }
  if (ended === 'refuse') {
    rules.push(rule('filter', endChain, `${name} has no endpoints`, reject(port.protocol, port.family), onNode));
  }
  if (ended === 'drop') rules.push(rule('filter', endChain, `${name} has no local endpoints`, '-j DROP', onNode));
  if (front.kind === 'LoadBalancer' && front.address !== undefined) rules.push(...leftover(own, front.address));
  return rules;
}

/**
 * What nobody serves at a load balancer's address would go back to where it came from, and loop until its time to live
 * ends. kube-proxy has no such rule. Where the address is the node's own, other things listen there.
 */
function leftover({ name, port }: PortChains, address: string): SharedRule[] {
  const match = `${comment(`${name.split(':')[0]} does not serve this port`)} -m addrtype ! --dst-type LOCAL`;
  return (['tcp', 'udp', 'sctp'] as const).map((protocol) => ({
    table: 'filter',
    chain: EXTERNAL_SERVICES,
    rule: `-d ${prefix(address)} -p ${protocol} ${match} ${reject(protocol, port.family)}`,
    claim: `${address} ${protocol}`,
    last: true,
  }));
}

function said(name: string, front: FrontEnd): string {
  const kinds = { ClusterIP: ' cluster IP', ExternalIP: ' external IP', LoadBalancer: ' loadbalancer IP' };
  return front.kind === 'NodePort' || front.kind === 'HostPort' ? name : name + kinds[front.kind];
}

function targetOf(own: PortChains, front: FrontEnd): string {
  if (front.kind === 'ClusterIP') return front.fromCluster === 'local' ? own.local : own.cluster;
  return front.sourceRanges ? own.firewall : own.external;
}

function addHostPort(port: PortPlan, chains: Map<string, readonly string[]>, shared: SharedRule[]): void {
  const endpoint = port.pools.local?.[0];
  if (!endpoint) return;
  const addresses = port.frontEnds.map((front) => front.address ?? '').join(' ');
  const chain = chainName('HP', port.label + addresses, port.protocol, endpointText(endpoint));
  chains.set(chain, translate(port, endpoint, port.label));
  for (const front of port.frontEnds) {
    shared.push({
      table: 'nat',
      chain: HOSTPORTS,
      rule: `${to(front.address, port.protocol, front.port, port.label)} -j ${chain}`,
      claim: `${front.address ?? 'node'} ${port.protocol} ${front.port}`,
    });
  }
}
