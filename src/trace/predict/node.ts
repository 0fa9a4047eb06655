import { familyOf } from '../../base/cidr.ts';
import { nodeInterface } from '../../machine/fabric.ts';
import { vxlanDevice } from '../../podnet/vxlan.ts';
import { formatReason, verdict } from '../../policy/verdict.ts';
import type { NodeFacts } from '../../proxy/plan.ts';
import { type Cause, formatEndpoint, type HopEvent, type Place, type Tuple } from '../model.ts';
import { type Atlas, gatewaysOf, tunnelEndsOf } from '../world.ts';
import { contains, type FoundFrontEnd, formatChoice, frontEndOf, isLocal, isLoopback, ownerOf } from './services.ts';
import { ANY_PORT, type Arrival, type Choices, type Departure, masqueraded, type Step, type Walk } from './step.ts';
import { peerOf } from './tunnel.ts';

/** The link between a node and one of its pods, on the node's side. */
export const podLink = (pod: Extract<Place, { kind: 'pod' }>): string => `link of ${pod.namespace}/${pod.name}`;

/** What a node does with the first packet of a connection: Services, route, policies, masquerade, in the kernel's order. */
export function throughNode(walk: Walk, place: Extract<Place, { kind: 'node' }>, arrival: Arrival): Step {
  const { atlas, choices } = walk;
  const facts = atlas.node(place.name);
  const events: HopEvent[] = arrival.interface === undefined ? [{ kind: 'sent' }] : [];
  const stop = (kind: 'dropped' | 'rejected', cause: Cause): Step => ({
    events: [...events, { kind, cause }],
    next: { end: { kind, place, cause } },
  });
  if (isLoopback(arrival.packet.destination)) return loopback(place, arrival.packet, events);

  const found = frontEndOf(atlas, place.name, arrival.packet);
  const refusal = found && refusalOf(found, arrival.packet);
  if (refusal) return stop(refusal.kind, refusal.cause);
  let packet = arrival.packet;
  if (found) {
    const chosen = found.pool.find((each) => formatEndpoint(each.address, each.port) === choices.endpoint);
    const endpoint = chosen ?? found.pool[0];
    if (!endpoint) return stop('dropped', { object: objectOf(found), text: 'it has no endpoint' });
    packet = { ...packet, destination: endpoint.address, destinationPort: endpoint.port };
    const cause = { object: objectOf(found), text: formatChoice(found.pool, endpoint) };
    events.push({ kind: 'dnat', before: arrival.packet, after: packet, cause });
  } else {
    const fromHere = arrival.interface === undefined || contains(facts.podCIDRs, packet.source);
    const leftover = leftoverOf(atlas, place.name, packet, fromHere);
    if (leftover) return stop('rejected', leftover);
  }

  const target = atlas.placeOf(packet.destination);
  if (isLocalAddress(facts, packet.destination)) {
    return { events: [...events, { kind: 'delivered' }], next: { end: { kind: 'delivered', place, packet } } };
  }
  if (contains(facts.podCIDRs, packet.destination) && target?.kind !== 'pod') {
    return stop('dropped', { text: `no pod has ${packet.destination}` });
  }
  if (arrival.interface !== undefined) {
    const judged = judge(atlas, place.name, packet);
    if (judged?.kind === 'dropped') return stop('dropped', judged.cause);
    if (judged) events.push(judged);
  }
  const hidden = masquerade(walk, facts, found, packet);
  if (hidden) {
    events.push({ kind: 'snat', before: packet, after: hidden.packet, cause: hidden.cause });
    packet = hidden.packet;
  }
  return { events, next: departure(atlas, place, facts, target, packet) };
}

/** What an established connection's packet meets: its translation turned round, and the route. */
export function backThroughNode(atlas: Atlas, place: Extract<Place, { kind: 'node' }>, packet: Tuple): Step['next'] {
  const facts = atlas.node(place.name);
  if (isLocalAddress(facts, packet.destination)) return { end: { kind: 'delivered', place, packet } };
  return departure(atlas, place, facts, atlas.placeOf(packet.destination), packet);
}

/** An address that the node itself has. */
export const isLocalAddress = (facts: NodeFacts, address: string): boolean =>
  isLoopback(address) || [...facts.addresses, ...gatewaysOf(facts), ...tunnelEndsOf(facts)].includes(address);

function loopback(place: Place, packet: Tuple, events: readonly HopEvent[]): Step {
  return { events: [...events, { kind: 'delivered' }], next: { end: { kind: 'delivered', place, packet } } };
}

const objectOf = ({ port, front }: FoundFrontEnd): string =>
  front.kind === 'HostPort' ? port.label.replace(/^pod /, 'Pod ') : `Service ${port.label}`;

function refusalOf(found: FoundFrontEnd, packet: Tuple): { kind: 'dropped' | 'rejected'; cause: Cause } | undefined {
  const { front, destination } = found;
  const object = objectOf(found);
  if (front.sourceRanges && !contains(front.sourceRanges, packet.source)) {
    const text = `loadBalancerSourceRanges ${front.sourceRanges.join(', ')} leave out ${packet.source}`;
    return { kind: 'dropped', cause: { object, text } };
  }
  if (destination === 'refuse') return { kind: 'rejected', cause: { object, text: 'it has no ready endpoint' } };
  if (destination !== 'drop') return undefined;
  const policy = found.fromCluster ? 'internalTrafficPolicy' : 'externalTrafficPolicy';
  return { kind: 'dropped', cause: { object, text: `${policy}: Local, and no endpoint is on this node` } };
}

/** Virtual addresses answer on their Services' ports only, so that nothing loops between node and fabric. */
function leftoverOf(atlas: Atlas, node: string, packet: Tuple, fromHere: boolean): Cause | undefined {
  const service = ownerOf(atlas, node, { address: packet.destination, fromHere });
  if (service === undefined) return undefined;
  const text =
    packet.protocol === 'icmp'
      ? 'a virtual address answers no ping'
      : `it has no ${packet.protocol} port ${packet.destinationPort}`;
  return { object: `Service ${service}`, text };
}

/** NetworkPolicies see the endpoint's address, and the source before masquerade. */
function judge(atlas: Atlas, node: string, packet: Tuple): Extract<HopEvent, { cause: Cause }> | undefined {
  const plan = atlas.policies(node);
  if (atlas.world.objects.networkPolicies.length === 0) return undefined;
  const { protocol, source, destination, destinationPort } = packet;
  const port = protocol === 'icmp' ? undefined : destinationPort;
  const { allowed, by } = verdict(plan, { protocol, source, destination, port });
  const rules = by.filter(
    (reason) => reason.kind === 'rule' || reason.kind === 'default-deny' || reason.kind === 'unplanned',
  );
  const last = rules.at(-1);
  if (!last) return undefined;
  const object =
    last.kind === 'rule'
      ? `NetworkPolicy ${last.policy}`
      : last.kind === 'default-deny'
        ? `NetworkPolicy ${last.policies.join(', ')}`
        : undefined;
  const text = rules.map(formatReason).join('; ');
  return { kind: allowed ? 'admitted' : 'dropped', cause: { ...(object ? { object } : {}), text } };
}

function masquerade(
  { atlas, choices }: Walk,
  facts: NodeFacts,
  found: FoundFrontEnd | undefined,
  packet: Tuple,
): { packet: Tuple; cause: Cause } | undefined {
  // The rules of Services come first; what they leave alone meets those of pods that leave the cluster.
  const reason = (found && serviceMasquerade(facts, found, packet)) ?? egressMasquerade(atlas, facts, packet);
  if (!reason) return found && movedPort(choices, packet);
  // masquerade takes the address of the interface that the packet leaves by.
  const isHere = contains(facts.podCIDRs, packet.destination);
  const isTunnelled = peerOf(atlas, facts.name, packet.destination) !== undefined;
  const own = isHere ? gatewaysOf(facts) : isTunnelled ? tunnelEndsOf(facts) : facts.addresses;
  const source = own.find((address) => familyOf(address) === familyOf(packet.destination));
  return { packet: masqueraded(packet, source ?? packet.source, choices), cause: reason };
}

/** Of two connections that are led from one port to one endpoint, by two Services say, the kernel moves the later one. */
function movedPort({ masqueradePort: sourcePort = ANY_PORT }: Choices, packet: Tuple) {
  if (sourcePort === ANY_PORT || sourcePort === packet.sourcePort) return undefined;
  const text = `another connection to this endpoint comes from port ${packet.sourcePort}`;
  return { packet: { ...packet, sourcePort }, cause: { text } };
}

function serviceMasquerade(facts: NodeFacts, found: FoundFrontEnd, packet: Tuple): Cause | undefined {
  if (packet.source === packet.destination) return { text: 'the pod reaches itself: its reply must come back here' };
  if (facts.masquerade === 'always') {
    return alwaysMasqueraded(facts, found, packet)
      ? { text: 'iptables mode: the reply must come back through this node' }
      : undefined;
  }
  if (isLocal(facts, packet.source) || isLocal(facts, packet.destination)) return undefined;
  return { text: 'the endpoint is not on this node: the reply must come back through it' };
}

/** As kube-proxy's chains have it: whoever is no pod at a cluster IP, and everybody at outside addresses. */
function alwaysMasqueraded(facts: NodeFacts, { front }: FoundFrontEnd, { source }: Tuple): boolean {
  if (front.kind === 'HostPort') return false;
  if (front.kind !== 'ClusterIP' && front.fromOutside === 'cluster') return true;
  const fromPods = contains(facts.clusterCIDRs, source);
  return front.kind === 'ClusterIP' ? !fromPods : !fromPods && isLocal(facts, source);
}

function egressMasquerade(atlas: Atlas, facts: NodeFacts, packet: Tuple): Cause | undefined {
  if (!contains(facts.podCIDRs, packet.source)) {
    const isTunnelled = facts.addresses.includes(packet.source) && peerOf(atlas, facts.name, packet.destination);
    return isTunnelled ? { text: 'the reply must come back through the tunnel' } : undefined;
  }
  const direct = [...facts.podCIDRs, ...facts.clusterCIDRs, ...atlas.world.network.directCIDRs];
  if (contains(direct, packet.destination)) return undefined;
  return { text: 'pods leave the cluster under their node’s address' };
}

function departure(
  atlas: Atlas,
  place: Extract<Place, { kind: 'node' }>,
  facts: NodeFacts,
  target: Place | undefined,
  packet: Tuple,
): Departure {
  if (target?.kind === 'pod' && target.node === place.name && contains(facts.podCIDRs, packet.destination)) {
    return { interface: podLink(target), packet, to: target, toInterface: 'eth0' };
  }
  const peer = peerOf(atlas, place.name, packet.destination);
  if (peer) return { interface: vxlanDevice, packet, to: place, toInterface: vxlanDevice, entersTunnel: true };
  return { interface: 'eth0', packet, to: { kind: 'fabric' }, toInterface: nodeInterface(place.name) };
}
