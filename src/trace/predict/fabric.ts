import { nodeInterface } from '../../machine/fabric.ts';
import type { Cause, HopEvent, Place, Tuple } from '../model.ts';
import { fabricAddresses } from '../world.ts';
import { contains } from './services.ts';
import { ANY_PORT, type Arrival, type Departure, type Step, type Walk } from './step.ts';

const here: Place = { kind: 'fabric' };
const ONE_TO_ONE: Cause = { text: 'a node’s outside address, 1:1' };

/** What the fabric does with the first packet of a connection, as its rules (`src/machine/fabric-rules.ts`) say. */
export function throughFabric(walk: Walk, { packet: arrived, interface: from }: Arrival): Step {
  const { fabric } = walk.atlas.world.network;
  const events: HopEvent[] = from === undefined ? [{ kind: 'sent' }] : [];
  const stop = (kind: 'dropped' | 'rejected', text: string): Step => ({
    events: [...events, { kind, cause: { object: 'fabric', text } }],
    next: { end: { kind, place: here, cause: { object: 'fabric', text } } },
  });
  let packet = arrived;
  const inside = fabric.nodes.find((node) => node.outsideAddress === packet.destination);
  if (inside && from !== 'uplink' && from !== 'host') {
    packet = { ...packet, destination: inside.address };
    events.push({ kind: 'dnat', before: arrived, after: packet, cause: ONE_TO_ONE });
  }
  if (fabricAddresses(fabric).includes(packet.destination)) {
    return { events: [...events, { kind: 'delivered' }], next: { end: { kind: 'delivered', place: here, packet } } };
  }
  const next = route(walk, packet);
  if (!next) return stop('rejected', `no route to ${packet.destination}`);
  if (contains([fabric.podCIDR], packet.source) && isOutward(next.interface)) {
    return stop('dropped', 'pod addresses end at the fabric: the node did not masquerade');
  }
  const fromClient = from?.startsWith('c-') === true;
  if (fromClient && !inside && contains([fabric.podCIDR, fabric.nodeCIDR], packet.destination)) {
    return stop('dropped', 'inside addresses are unknown outside');
  }
  const source = sourceBeyond(walk, next, packet, inside !== undefined);
  if (!source) return { events, next: { ...next, packet } };
  const after = { ...packet, ...source.tuple };
  return {
    events: [...events, { kind: 'snat', before: packet, after, cause: source.cause }],
    next: { ...next, packet: after },
  };
}

/** The route of a packet, before its source is translated. */
export function fabricRoute(walk: Walk, packet: Tuple): Step['next'] {
  const { fabric } = walk.atlas.world.network;
  if (fabricAddresses(fabric).includes(packet.destination)) {
    return { end: { kind: 'delivered', place: here, packet } };
  }
  const cause = { object: 'fabric', text: `no route to ${packet.destination}` };
  return route(walk, packet) ?? { end: { kind: 'rejected', place: here, cause } };
}

function route({ atlas }: Walk, packet: Tuple): Departure | undefined {
  const { fabric } = atlas.world.network;
  const { destination } = packet;
  const node = fabric.nodes.find(
    ({ name, address }) => address === destination || contains(atlas.node(name).podCIDRs, destination),
  );
  if (node) {
    return { interface: nodeInterface(node.name), packet, to: { kind: 'node', name: node.name }, toInterface: 'eth0' };
  }
  const client = fabric.clients.find((each) => each.address === destination);
  if (client)
    return { interface: `c-${client.name}`, packet, to: { kind: 'client', name: client.name }, toInterface: 'eth0' };
  const unreachable = [
    fabric.podCIDR,
    fabric.serviceCIDR,
    fabric.nodeCIDR,
    fabric.outsideCIDR,
    fabric.loadBalancerCIDR,
  ];
  if (contains(unreachable, destination)) return undefined;
  const outside: Place = { kind: 'outside' };
  const ownLink = destination === fabric.host.host;
  if (ownLink || fabric.uplink === 'nat')
    return { interface: 'host', packet, to: outside, toInterface: fabric.host.interface };
  return fabric.uplink === 'user' ? { interface: 'uplink', packet, to: outside, toInterface: 'uplink' } : undefined;
}

const isOutward = (device: string): boolean => device === 'uplink' || device === 'host' || device.startsWith('c-');

function sourceBeyond(
  { atlas, choices }: Walk,
  next: Departure,
  packet: Tuple,
  translated: boolean,
): { tuple: Partial<Tuple>; cause: Cause } | undefined {
  const { fabric } = atlas.world.network;
  if (next.interface === 'uplink' || (next.interface === 'host' && fabric.uplink === 'nat')) {
    const address = choices.uplinkAddress ?? '';
    const sourcePort = packet.protocol === 'icmp' ? packet.sourcePort : (choices.masqueradePort ?? ANY_PORT);
    return { tuple: { source: address, sourcePort }, cause: { text: 'the way to the machine’s own network' } };
  }
  const outside = fabric.nodes.find((node) => node.address === packet.source)?.outsideAddress;
  if (outside === undefined || !(next.interface.startsWith('c-') || translated)) return undefined;
  return { tuple: { source: outside }, cause: ONE_TO_ONE };
}
