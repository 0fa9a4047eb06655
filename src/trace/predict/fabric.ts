import { bucketOf } from '../../edge/loadbalancer/flow-hash.ts';
import { dealBuckets } from '../../edge/loadbalancer/maglev.ts';
import { bucketCount, type VirtualAddress } from '../../edge/loadbalancer/plan.ts';
import { type FabricSpec, nodeInterface } from '../../machine/fabric.ts';
import type { Cause, HopEvent, Place, Tuple } from '../model.ts';
import { fabricAddresses } from '../world.ts';
import { contains } from './services.ts';
import { type Arrival, type Choices, type Departure, masqueraded, type Step, type Walk } from './step.ts';

const here: Place = { kind: 'fabric' };
const ONE_TO_ONE: Cause = { text: 'a node’s outside address, 1:1' };

/**
 * What the fabric does with the first packet of a connection: load balancers (`src/edge/loadbalancer`), then its own
 * rules (`src/machine/fabric-rules.ts`) and routes.
 */
export function throughFabric(walk: Walk, { packet: arrived, interface: from }: Arrival): Step {
  const { fabric } = walk.atlas.world.network;
  const events: HopEvent[] = from === undefined ? [{ kind: 'sent' }] : [];
  const stop = (kind: 'dropped' | 'rejected', cause: Cause): Step => ({
    events: [...events, { kind, cause }],
    next: { end: { kind, place: here, cause } },
  });
  let packet = arrived;
  let next: Departure | undefined;
  const virtual = walk.atlas.loadBalancers.addresses.find(({ address }) => address === arrived.destination);
  if (virtual) {
    const balanced = balance(walk, virtual, arrived);
    if ('kind' in balanced) return stop(balanced.kind, balanced.cause);
    events.push({ kind: 'balanced', cause: balanced.cause });
    packet = balanced.packet;
    next = balanced.departure;
    const cause = { object: `Service ${virtual.service}`, text: 'ipMode: Proxy, to the node’s port' };
    if (packet !== arrived) events.push({ kind: 'dnat', before: arrived, after: packet, cause });
  }
  const inside = oneToOne(fabric, packet, from);
  if (inside) {
    const after = { ...packet, destination: inside };
    events.push({ kind: 'dnat', before: packet, after, cause: ONE_TO_ONE });
    packet = after;
  }
  if (fabricAddresses(fabric).includes(packet.destination)) {
    return { events: [...events, { kind: 'delivered' }], next: { end: { kind: 'delivered', place: here, packet } } };
  }
  next ??= route(walk, packet);
  if (!next) return stop(...nowhere(walk, packet));
  if (contains(both(fabric, 'podCIDR'), packet.source) && isOutward(next.interface)) {
    return stop('dropped', fabricCause('pod addresses end at the fabric: no node gave the packet its own'));
  }
  if (from?.startsWith('c-') && packet === arrived && contains(insideOf(fabric), packet.destination)) {
    return stop('dropped', fabricCause('inside addresses are unknown outside'));
  }
  const hidden = sourceBeyond(walk, next, packet, packet !== arrived);
  if (!hidden) return { events, next: { ...next, packet } };
  events.push({ kind: 'snat', before: packet, after: hidden.packet, cause: hidden.cause });
  return { events, next: { ...next, packet: hidden.packet } };
}

/** Where the fabric sends an answer. */
export function fabricRoute(walk: Walk, packet: Tuple): Step['next'] {
  if (fabricAddresses(walk.atlas.world.network.fabric).includes(packet.destination)) {
    return { end: { kind: 'delivered', place: here, packet } };
  }
  const [kind, cause] = nowhere(walk, packet);
  return route(walk, packet) ?? { end: { kind, place: here, cause } };
}

const fabricCause = (text: string): Cause => ({ object: 'fabric', text });

/** Of both families. */
function both(fabric: FabricSpec, network: 'podCIDR' | 'nodeCIDR' | 'serviceCIDR' | 'loadBalancerCIDR'): string[] {
  return [fabric[network], fabric.ipv6?.[network]].filter((cidr) => cidr !== undefined);
}

/** Nodes' IPv6 addresses are the same inside and outside. */
const insideOf = (fabric: FabricSpec): string[] => [...both(fabric, 'podCIDR'), fabric.nodeCIDR];

type Balanced =
  | { readonly packet: Tuple; readonly departure: Departure; readonly cause: Cause }
  | { readonly kind: 'dropped' | 'rejected'; readonly cause: Cause };

function balance({ atlas, choices }: Walk, virtual: VirtualAddress, packet: Tuple): Balanced {
  const object = `Service ${virtual.service}`;
  const port = virtual.proxied?.find(
    (each) => each.protocol === packet.protocol && each.port === packet.destinationPort,
  );
  if (virtual.sourceRanges && !contains(virtual.sourceRanges, packet.source)) {
    const text = `loadBalancerSourceRanges ${virtual.sourceRanges.join(', ')} leave out ${packet.source}`;
    return { kind: 'dropped', cause: { object, text } };
  }
  if (virtual.proxied && !port) {
    return { kind: packet.protocol === 'tcp' ? 'rejected' : 'dropped', cause: { object, text: 'no such port' } };
  }
  const chosen = chooseNode(virtual, packet, choices);
  const node = atlas.world.network.fabric.nodes.find(({ name }) => name === chosen?.node);
  if (!chosen || !node) {
    return {
      kind: 'dropped',
      cause: { object, text: 'no node passes its health check: none has an endpoint to serve' },
    };
  }
  const to: Place = { kind: 'node', name: node.name };
  const destination = (virtual.family === 'ipv6' ? node.ipv6 : node.address) ?? node.address;
  const sent = port ? { ...packet, destination, destinationPort: port.nodePort } : packet;
  return {
    packet: sent,
    departure: { interface: nodeInterface(node.name), packet: sent, to, toInterface: 'eth0' },
    cause: { object, text: chosen.text },
  };
}

/** The kernel hashes the flow into a bucket, and buckets are dealt to the healthy nodes. */
function chooseNode(
  { by, nodes }: VirtualAddress,
  packet: Tuple,
  { node: seen }: Choices,
): { readonly node: string; readonly text: string } | undefined {
  const bucket = bucketOf(packet, by);
  const node = nodes[dealBuckets(nodes, bucketCount)[bucket] ?? -1];
  if (node === undefined) return undefined;
  // Which nodes are healthy is known here only as far as objects tell: what was chosen among them is right.
  if (seen !== undefined && seen !== node && nodes.includes(seen))
    return { node: seen, text: `chose ${seen} of ${nodes.join(', ')}` };
  const hash = by === 'client' ? 'hash of the client' : 'flow hash';
  return { node, text: `${hash}, bucket ${bucket} of ${bucketCount} → ${node}; nothing translated` };
}

function oneToOne(fabric: FabricSpec, packet: Tuple, from: string | undefined): string | undefined {
  if (from === 'uplink' || from === 'host') return undefined;
  return fabric.nodes.find((node) => node.outsideAddress === packet.destination)?.address;
}

function route({ atlas }: Walk, packet: Tuple): Departure | undefined {
  const { fabric } = atlas.world.network;
  const { destination } = packet;
  const node = fabric.nodes.find(({ name }) => {
    const { addresses, podCIDRs } = atlas.node(name);
    return addresses.includes(destination) || contains(podCIDRs, destination);
  });
  if (node) {
    return { interface: nodeInterface(node.name), packet, to: { kind: 'node', name: node.name }, toInterface: 'eth0' };
  }
  const client = fabric.clients.find(({ address, ipv6 }) => address === destination || ipv6 === destination);
  if (client)
    return { interface: `c-${client.name}`, packet, to: { kind: 'client', name: client.name }, toInterface: 'eth0' };
  if (atlas.placeOf(destination)?.kind === 'ingress') {
    return { interface: 'ingress', packet, to: { kind: 'ingress' }, toInterface: 'eth0' };
  }
  return isNowhere(fabric, destination) ? undefined : wayOut(fabric, packet);
}

function isNowhere(fabric: FabricSpec, destination: string): boolean {
  const networks = (['podCIDR', 'serviceCIDR', 'nodeCIDR', 'loadBalancerCIDR'] as const).flatMap((name) =>
    both(fabric, name),
  );
  return contains([...networks, fabric.outsideCIDR], destination);
}

function wayOut({ host, uplink }: FabricSpec, packet: Tuple): Departure | undefined {
  const to: Place = { kind: 'outside' };
  if (packet.destination.includes(':')) return undefined;
  if (packet.destination === host.host || uplink === 'nat')
    return { interface: 'host', packet, to, toInterface: host.interface };
  return uplink === 'user' ? { interface: 'uplink', packet, to, toInterface: 'uplink' } : undefined;
}

/** Pools' addresses are a blackhole, all others are answered with an error. */
function nowhere({ atlas }: Walk, { destination }: Tuple): ['dropped' | 'rejected', Cause] {
  const { fabric } = atlas.world.network;
  const is = (network: 'loadBalancerCIDR' | 'serviceCIDR') => contains(both(fabric, network), destination);
  if (is('loadBalancerCIDR')) return ['dropped', fabricCause(`no Service has the address ${destination}`)];
  if (is('serviceCIDR')) return ['rejected', fabricCause(`the cluster IP ${destination} is known on nodes only`)];
  return ['rejected', fabricCause(`no route to ${destination}`)];
}

const isOutward = (device: string): boolean => device === 'uplink' || device === 'host' || device.startsWith('c-');

function sourceBeyond(
  { atlas, choices }: Walk,
  next: Departure,
  packet: Tuple,
  translated: boolean,
): { packet: Tuple; cause: Cause } | undefined {
  const { fabric } = atlas.world.network;
  if (next.interface === 'uplink' || (next.interface === 'host' && fabric.uplink === 'nat')) {
    const cause = { text: 'the way to the machine’s own network' };
    return { packet: masqueraded(packet, choices.uplinkAddress ?? '', choices), cause };
  }
  if (fabric.ipv6 && packet.source.includes(':') && packet.source === packet.destination) {
    const cause = { text: 'a node that is led to itself' };
    return { packet: masqueraded(packet, fabric.ipv6.fabric, choices), cause };
  }
  const outside = fabric.nodes.find((node) => node.address === packet.source)?.outsideAddress;
  if (outside === undefined || !(next.interface.startsWith('c-') || translated)) return undefined;
  return { packet: { ...packet, source: outside }, cause: ONE_TO_ONE };
}
