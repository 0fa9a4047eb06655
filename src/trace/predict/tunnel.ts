import { VXLAN_PORT } from '../../kernel/packet.ts';
import { nodeInterface } from '../../machine/fabric.ts';
import { tunnelAddressOf, tunnelBytes } from '../../podnet/overlay.ts';
import { vxlanDevice, vxlanNumber } from '../../podnet/vxlan.ts';
import type { Place, Tuple } from '../model.ts';
import type { Atlas } from '../world.ts';
import { contains } from './services.ts';
import { ANY_PORT, type Arrival, type Step, type Walk } from './step.ts';

/** The node at the other end of the tunnel that leads to an address; undefined where the fabric routes to it. */
export function peerOf(atlas: Atlas, node: string, address: string): string | undefined {
  const { overlay, fabric } = atlas.world.network;
  if (!overlay) return undefined;
  return fabric.nodes.find(({ name }) => name !== node && contains(atlas.node(name).podCIDRs, address))?.name;
}

/**
 * What a node's VXLAN device does, there and back the same: what enters it leaves in a packet to the peer, and what
 * such a packet carries comes out. Undefined for all other packets.
 */
export function throughTunnel(
  { atlas, choices }: Walk,
  place: Extract<Place, { kind: 'node' }>,
  { packet, inner, entersTunnel }: Arrival,
): Step | undefined {
  if (inner) {
    const cause = { text: 'the tunnel ends here' };
    const events = [{ kind: 'decapsulated', outer: packet, inner, cause } as const];
    return { events, next: { interface: vxlanDevice, packet: inner, to: place, toInterface: vxlanDevice } };
  }
  const peer = entersTunnel ? peerOf(atlas, place.name, packet.destination) : undefined;
  if (peer === undefined) return undefined;
  const outer: Tuple = {
    protocol: 'udp',
    source: nodeAddress(atlas, place.name),
    sourcePort: choices.tunnelPort ?? ANY_PORT,
    destination: nodeAddress(atlas, peer),
    destinationPort: VXLAN_PORT,
  };
  const text = `tunnel to ${peer}, network ${vxlanNumber}: ${tunnelBytes(outer.destination)} bytes around it`;
  const next = {
    interface: 'eth0',
    packet: outer,
    to: { kind: 'fabric' },
    toInterface: nodeInterface(place.name),
  } as const;
  return {
    events: [{ kind: 'encapsulated', outer, inner: packet, cause: { text } }],
    next: { ...next, inner: packet },
  };
}

function nodeAddress(atlas: Atlas, name: string): string {
  const { objects, network } = atlas.world;
  const said = tunnelAddressOf(objects.nodes.find(({ metadata }) => metadata?.name === name));
  return said ?? network.fabric.nodes.find((node) => node.name === name)?.address ?? '';
}
