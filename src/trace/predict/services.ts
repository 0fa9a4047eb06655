import { BlockList } from 'node:net';
import { familyOf } from '../../base/cidr.ts';
import type { Destination, FrontEnd, NodeFacts, PlannedEndpoint, PortPlan } from '../../proxy/plan.ts';
import { formatEndpoint, type Tuple } from '../model.ts';
import type { Atlas } from '../world.ts';

/** The front end that a packet meets in a node's Service rules. */
export interface FoundFrontEnd {
  readonly port: PortPlan;
  readonly front: FrontEnd;
  readonly destination: Destination;
  /** Where the packet may go; empty where it is refused or dropped. */
  readonly pool: readonly PlannedEndpoint[];
  /** The packet comes from pods or from this node. */
  readonly fromCluster: boolean;
}

/** What the Services of a node's plan say of a packet before it is routed; `undefined` where none has its address and port. */
export function frontEndOf(atlas: Atlas, node: string, packet: Tuple): FoundFrontEnd | undefined {
  if (packet.protocol === 'icmp') return undefined;
  const facts = atlas.node(node);
  for (const entry of atlas.entriesAt(node, packet.destination, packet.destinationPort)) {
    for (const port of entry.ports) {
      const front = port.frontEnds.find((each) => answers(each, port, facts, packet));
      if (!front) continue;
      const fromCluster = comesFromInside(atlas, facts, front, packet.source);
      const destination = fromCluster ? front.fromCluster : front.fromOutside;
      const pool = destination === 'cluster' || destination === 'local' ? (port.pools[destination] ?? []) : [];
      return { port, front, destination, pool, fromCluster };
    }
  }
  return undefined;
}

function answers(front: FrontEnd, port: PortPlan, node: NodeFacts, packet: Tuple): boolean {
  if (port.protocol !== packet.protocol || front.port !== packet.destinationPort) return false;
  if (port.family !== familyOf(packet.destination)) return false;
  return front.address === undefined
    ? node.addresses.includes(packet.destination)
    : front.address === packet.destination;
}

/** A packet that no front end translated. */
export interface Unserved {
  readonly address: string;
  /** The node itself sent it, or a pod of it, and it is on its way out. */
  readonly fromHere: boolean;
}

/** The Service that answers for an address on whatever port, to refuse what it does not serve. */
export function ownerOf(atlas: Atlas, node: string, { address, fromHere }: Unserved): string | undefined {
  const entry = atlas.entriesAt(node, address, 0).find((each) => !each.key.startsWith('pod/'));
  // kube-proxy's chains let what a cluster IP does not serve follow the routes; ours let what the node or its pods send
  // to a load balancer's, and refuse it where it comes back.
  const ours = fromHere ? ['ClusterIP'] : ['ClusterIP', 'LoadBalancer'];
  const kinds = atlas.world.network.proxyMode === 'iptables' ? ['LoadBalancer'] : ours;
  const virtual = entry?.ports.some((port) =>
    port.frontEnds.some((front) => front.address === address && kinds.includes(front.kind)),
  );
  return virtual ? entry?.key : undefined;
}

/** A pod that asks another node's port comes from outside, but for kube-proxy's chains, which know pods by their network. */
function comesFromInside({ world }: Atlas, node: NodeFacts, { address }: FrontEnd, source: string): boolean {
  const byNetwork = address !== undefined || world.network.proxyMode === 'iptables';
  return byNetwork ? isCluster(node, source) : isLocal(node, source);
}

/** Pods, the node itself and its loopback: who gets what is meant for the inside. */
export function isCluster(node: NodeFacts, address: string): boolean {
  return isLoopback(address) || contains([...node.clusterCIDRs, ...node.podCIDRs, ...node.addresses], address);
}

/** This node's pods and addresses. */
export function isLocal(node: NodeFacts, address: string): boolean {
  return isLoopback(address) || contains([...node.podCIDRs, ...node.addresses], address);
}

export const isLoopback = (address: string): boolean => address.startsWith('127.') || address === '::1';

/** Whether one of these networks or addresses holds an address. */
export function contains(prefixes: readonly string[], address: string): boolean {
  const list = new BlockList();
  for (const prefix of prefixes) {
    const [base = '', bits] = prefix.split('/');
    const family = familyOf(base);
    list.addSubnet(base, Number(bits ?? (family === 'ipv6' ? 128 : 32)), family);
  }
  return list.check(address, familyOf(address));
}

/** `endpoint 2 of 5: cart-7d9f (node-3)` */
export function formatChoice(pool: readonly PlannedEndpoint[], endpoint: PlannedEndpoint): string {
  const place = pool.length === 1 ? 'the only endpoint' : `endpoint ${pool.indexOf(endpoint) + 1} of ${pool.length}`;
  const name = endpoint.target?.split('/').at(-1) ?? formatEndpoint(endpoint.address, endpoint.port);
  return `${place}: ${name}${endpoint.nodeName ? ` (${endpoint.nodeName})` : ''}`;
}
