import {
  type End,
  type Flow,
  formatPlace,
  type Hop,
  type HopEvent,
  type Place,
  type Sighting,
  sameTuple,
  type Tuple,
  turnedRound,
  type Way,
} from '../model.ts';
import type { Atlas } from '../world.ts';
import { fabricRoute, throughFabric } from './fabric.ts';
import { backThroughNode, podLink, throughNode } from './node.ts';
import { isLoopback } from './services.ts';
import type { Arrival, Choices, Step, Walk } from './step.ts';
import { throughTunnel } from './tunnel.ts';

/** More places than any way has: what comes here goes in circles. */
const MAX_HOPS = 16;

/**
 * The way that the plans give a connection's first packet, and the way back of its answer. Pure: the same world, flow
 * and choices give the same way.
 */
export function predict(atlas: Atlas, flow: Flow, choices: Choices = {}): Way {
  const walk: Walk = { atlas, choices, tracked: new Map() };
  const request = follow(walk, flow.from, { packet: flow.packet }, stepThere);
  if (request.end.kind !== 'delivered') return { request: request.hops, end: request.end, reply: [] };
  const answer = turnedRound(request.end.packet);
  const reply = follow(walk, request.end.place, { packet: answer }, stepBack);
  return { request: request.hops, end: request.end, reply: reply.hops };
}

/** What one place does with a connection's first packet. */
export function stepThere(walk: Walk, place: Place, arrival: Arrival): Step {
  const tunnelled = place.kind === 'node' ? throughTunnel(walk, place, arrival) : undefined;
  if (tunnelled) return tunnelled;
  const step = firstPacket(walk, place, arrival);
  const after =
    'end' in step.next ? (step.next.end.kind === 'delivered' ? step.next.end.packet : undefined) : step.next.packet;
  if (after && !sameTuple(arrival.packet, after)) {
    walk.tracked.set(formatPlace(place), { before: arrival.packet, after });
  }
  return step;
}

function firstPacket(walk: Walk, place: Place, arrival: Arrival): Step {
  if (place.kind === 'node') return throughNode(walk, place, arrival);
  if (place.kind === 'fabric') return throughFabric(walk, arrival);
  const { packet } = arrival;
  if (arrival.interface !== undefined || place.kind === 'outside') {
    return { events: [{ kind: 'delivered' }], next: { end: { kind: 'delivered', place, packet } } };
  }
  return leave(place, packet, [{ kind: 'sent' }]);
}

/** Pods and clients have one link, and themselves. */
function leave(place: Place, packet: Tuple, events: readonly HopEvent[]): Step {
  if (isLoopback(packet.destination) || packet.destination === packet.source) {
    return { events: [...events, { kind: 'delivered' }], next: { end: { kind: 'delivered', place, packet } } };
  }
  const next =
    place.kind === 'pod'
      ? { to: { kind: 'node', name: place.node } as const, toInterface: podLink(place) }
      : { to: { kind: 'fabric' } as const, toInterface: place.kind === 'client' ? `c-${place.name}` : 'ingress' };
  return { events, next: { interface: 'eth0', packet, ...next } };
}

/** What one place does with an answer: its translation is turned round, no rule is asked again. */
export function stepBack(walk: Walk, place: Place, arrival: Arrival): Step {
  const tunnelled = place.kind === 'node' ? throughTunnel(walk, place, arrival) : undefined;
  if (tunnelled) return tunnelled;
  const sent: HopEvent[] = arrival.interface === undefined ? [{ kind: 'sent' }] : [];
  const known = walk.tracked.get(formatPlace(place));
  const turned = known && sameTuple(turnedRound(known.after), arrival.packet) ? turnedRound(known.before) : undefined;
  const packet = turned ?? arrival.packet;
  const events: HopEvent[] = turned ? [...sent, { kind: 'un-nat', before: arrival.packet, after: turned }] : sent;
  const end = (): Step => ({
    events: [...events, { kind: 'delivered' }],
    next: { end: { kind: 'delivered', place, packet } },
  });
  if (isLoopback(packet.destination)) return end();
  if (place.kind === 'node' || place.kind === 'fabric') {
    const next = place.kind === 'node' ? backThroughNode(walk.atlas, place, packet) : fabricRoute(walk, packet);
    return 'end' in next && next.end.kind === 'delivered' ? end() : { events, next };
  }
  return arrival.interface === undefined ? leave(place, packet, events) : end();
}

function follow(
  walk: Walk,
  from: Place,
  first: Arrival,
  step: (walk: Walk, place: Place, arrival: Arrival) => Step,
): { hops: Hop[]; end: End } {
  const hops: Hop[] = [];
  let place = from;
  let arrival = first;
  while (hops.length < MAX_HOPS) {
    const { events, next } = step(walk, place, arrival);
    const comesIn = arrival.interface === undefined ? {} : { in: sighting(arrival.interface, arrival) };
    if ('end' in next) {
      hops.push({ place, ...comesIn, ...stayOnLoopback(next.end, arrival), events });
      return { hops, end: next.end };
    }
    // The fabric passes a tunnel's packet on and knows nothing of what is in it.
    const inner = place.kind === 'fabric' ? arrival.inner : next.inner;
    hops.push({ place, ...comesIn, out: sighting(next.interface, { packet: next.packet, inner }), events });
    place = next.to;
    arrival = { packet: next.packet, interface: next.toInterface, inner, entersTunnel: next.entersTunnel };
  }
  return { hops, end: { kind: 'dropped', place, cause: { text: 'it goes in circles until its time to live ends' } } };
}

const sighting = (name: string, { packet, inner }: Pick<Arrival, 'packet' | 'inner'>): Sighting => ({
  interface: name,
  packet,
  ...(inner ? { inner } : {}),
});

/** What is sent and delivered in one place passes its loopback. */
function stayOnLoopback(end: End, arrival: Arrival): Partial<Hop> {
  if (end.kind !== 'delivered' || arrival.interface !== undefined) return {};
  return { out: { interface: 'lo', packet: end.packet }, in: { interface: 'lo', packet: end.packet } };
}
