import type { ConntrackEvent } from '../../kernel/conntrack-events.ts';
import type { Links } from '../../kernel/ip.ts';
import { nodeInterface } from '../../machine/fabric.ts';
import {
  type End,
  type Flow,
  formatEndpoint,
  formatPlace,
  formatTuple,
  type HopEvent,
  type Place,
  samePlace,
  sameTuple,
  type Tuple,
  turnedRound,
} from '../model.ts';
import type { Evidence, Seen } from '../observe.ts';
import { podLink } from '../predict/node.ts';
import { stepBack, stepThere } from '../predict/predict.ts';
import { frontEndOf } from '../predict/services.ts';
import type { Arrival, Choices, Step, Walk } from '../predict/step.ts';
import type { Difference, ToldHop } from '../story.ts';
import type { Atlas } from '../world.ts';
import { hopsOf, isTunnelled, type SeenHop } from './hops.ts';
import { type MetRules, rulesMet } from './rules.ts';
import { answerKind, answerOf, requestOf, type Track, tracksOf } from './tracks.ts';

/** What was seen of a connection's first packet and of its answer, with the plans' reasons. */
export interface Joined {
  readonly request: readonly ToldHop[];
  readonly end: End;
  readonly reply: readonly ToldHop[];
  readonly replyIs?: string;
  readonly replyEnd?: End;
  readonly differences: readonly Difference[];
  readonly packets: readonly Seen[];
  /** Both ends were seen: nothing more is to come. */
  readonly complete: boolean;
}

/** Makes one story of the evidence: each stay in a place is held against what the plans do with a packet that comes so. */
export function join(atlas: Atlas, flow: Flow, evidence: Evidence): Joined | undefined {
  const tracks = tracksOf(evidence, flow.packet);
  const request = requestOf(tracks, flow.from);
  if (!request) return undefined;
  const walk: Walk = { atlas, choices: {}, tracked: new Map() };
  const there = tell(walk, evidence, request, flow.packet, stepThere);
  const answer = answerOf(tracks, request);
  const answered = there.end.kind === 'delivered' ? turnedRound(there.end.packet) : undefined;
  const back = answer && tell(walk, evidence, answer, answered, stepBack);
  return {
    request: there.hops,
    end: there.end,
    reply: back?.hops ?? [],
    ...(back ? { replyEnd: back.end, replyIs: answerKind(answer.sightings[0].packet) } : {}),
    differences: [...there.differences, ...(back?.differences ?? [])],
    packets: tracks.flatMap(({ sightings }) => sightings),
    complete: there.end.kind === 'dropped' ? there.ended : back?.ended === true && back.end.kind === 'delivered',
  };
}

/** What the plans do with a packet in a place, on its way there or back. */
type Stepping = (walk: Walk, place: Place, arrival: Arrival) => Step;

interface Told {
  readonly hops: readonly ToldHop[];
  readonly end: End;
  readonly differences: readonly Difference[];
  /** Its end was seen; otherwise `end` is only where it was seen last. */
  readonly ended: boolean;
}

/** `sent` are the addresses that the sender's program used: its own kernel may translate them before any interface. */
function tell(walk: Walk, evidence: Evidence, track: Track, sent: Tuple | undefined, step: Stepping): Told {
  if (track.sightings[0].packet.icmp?.about) return tellError(evidence, track);
  const stays = hopsOf(track).map((hop, index) =>
    tellStay(walk, evidence, hop, index === 0 ? (sent ?? hop.out?.packet) : undefined, step),
  );
  const last = stays.at(-1);
  const lost: End = {
    kind: 'dropped',
    place: last?.hop.place ?? { kind: 'outside' },
    cause: { text: 'it was not seen again' },
  };
  const contiguous = stays.every(({ next }, index) => {
    const following = stays[index + 1]?.hop.place;
    return next === undefined || (following !== undefined && samePlace(next, following));
  });
  return {
    hops: stays.map(({ hop }) => hop),
    differences: stays.flatMap(({ differences }) => differences),
    end: last?.end ?? lost,
    ended: contiguous && stays.every(({ whole }) => whole),
  };
}

/** An error comes from wherever the packet got to; it ends where it is seen last. */
function tellError(evidence: Evidence, track: Track): Told {
  const hops = hopsOf(track).map((hop): ToldHop => toldHop(hop, [], rulesMet(evidence, hop, undefined)));
  const last = track.sightings.at(-1) ?? track.sightings[0];
  const { source, destination } = last.packet;
  const packet: Tuple = { protocol: 'icmp', source, destination, sourcePort: 0, destinationPort: 0 };
  return {
    hops,
    differences: [],
    end: { kind: 'delivered', place: last.place, packet },
    ended: last.direction === 'in',
  };
}

interface Stay {
  readonly hop: ToldHop;
  readonly differences: readonly Difference[];
  readonly end?: End;
  /** Where the packet goes from here. */
  readonly next?: Place;
  /** All that there is to see here was seen. */
  readonly whole: boolean;
}

function tellStay(walk: Walk, evidence: Evidence, hop: SeenHop, sent: Tuple | undefined, step: Stepping): Stay {
  const { place } = hop;
  const links = evidence.links.get(formatPlace(place));
  const role = (name: string) => roleOf(walk.atlas, links, place, name);
  const arrival = sent ? { packet: sent } : arrivalOf(hop, role);
  const met = isTunnelled(hop) ? { traced: true, rules: [] } : rulesMet(evidence, hop, sent);
  if (!arrival) return { hop: toldHop(hop, [], met), differences: [], whole: false };
  const expected = expectedOf(walk, evidence, hop, arrival, step);
  const { events, differences, end } = compare(hop, role(hop.out?.interface ?? ''), arrival, expected, met);
  const told = { hop: toldHop(hop, events, met), differences };
  const ruled = met.traced || !evidence.traced || (place.kind !== 'node' && place.kind !== 'fabric');
  if (!end)
    return {
      ...told,
      next: 'end' in expected.next ? undefined : expected.next.to,
      whole: ruled && hop.out !== undefined,
    };
  return { ...told, end, whole: ruled && (end.kind === 'delivered' || met.dropped !== undefined) };
}

/**
 * What the plans do with a packet. Of one that a node dropped may not be known to which endpoint it was led: it was one
 * for which the node drops it, where there is one.
 */
function expectedOf(walk: Walk, evidence: Evidence, hop: SeenHop, arrival: Arrival, step: Stepping): Step {
  const { place, out } = hop;
  const choices = choicesOf(walk.atlas, hop, arrival.packet, evidence);
  const first = step({ ...walk, choices }, place, arrival);
  if (out || choices.endpoint !== undefined || place.kind !== 'node' || 'end' in first.next) return first;
  const { pool = [] } = frontEndOf(walk.atlas, place.name, arrival.packet) ?? {};
  const others = pool.map(({ address, port }) =>
    step({ ...walk, choices: { endpoint: formatEndpoint(address, port) } }, place, arrival),
  );
  return others.find(({ next }) => 'end' in next && next.end.kind === 'dropped') ?? first;
}

function arrivalOf({ in: comes, out: leaves }: SeenHop, role: (name: string) => string): Arrival | undefined {
  if (!comes) return undefined;
  const { packet, inner } = comes;
  const entersTunnel = leaves?.inner !== undefined && inner === undefined;
  return { packet, interface: role(comes.interface), inner, entersTunnel };
}

function toldHop({ seen: _, ...hop }: SeenHop, events: readonly HopEvent[], { rules }: MetRules): ToldHop {
  return { ...hop, events, rules };
}

/** What the kernel chose, by which the plans are asked again. */
function choicesOf(atlas: Atlas, hop: SeenHop, arrived: Tuple, evidence: Evidence): Choices {
  const out = hop.out?.packet;
  const tunnelPort = hop.out?.inner && out?.sourcePort;
  const { nodes } = atlas.world.network.fabric;
  const node = nodes.find(
    ({ name }) => hop.place.kind === 'fabric' && nodeInterface(name) === hop.out?.interface,
  )?.name;
  const tracked = connectionOf(evidence, hop, arrived)?.reply;
  if (tracked) {
    return {
      node,
      tunnelPort,
      endpoint: formatEndpoint(tracked.source, tracked.sourcePort),
      masqueradePort: tracked.destinationPort,
      uplinkAddress: tracked.destination,
    };
  }
  if (!out) return {};
  return {
    node,
    tunnelPort,
    endpoint: formatEndpoint(out.destination, out.destinationPort),
    masqueradePort: out.sourcePort,
    uplinkAddress: out.source,
  };
}

/** A source port may be used again: of several connections that began so, the one that fits what left, else the last. */
function connectionOf({ connections }: Evidence, hop: SeenHop, arrived: Tuple): ConntrackEvent | undefined {
  const { protocol } = arrived;
  const begun = connections.flatMap(({ place, event }) => {
    const isHere = formatPlace(place) === formatPlace(hop.place) && event.kind !== 'destroy';
    return isHere && sameTuple({ ...event.original, protocol }, arrived) ? [event] : [];
  });
  const left = hop.out?.inner ?? hop.out?.packet;
  const answer = left && turnedRound(left);
  return begun.findLast(({ reply }) => answer && sameTuple({ ...reply, protocol }, answer)) ?? begun.at(-1);
}

/** Links of pods have random names on their node. */
function roleOf(atlas: Atlas, links: Links | undefined, place: Place, name: string): string {
  if (place.kind !== 'node') return name;
  for (const [address, device] of links?.neighbours ?? []) {
    const pod = device === name ? atlas.placeOf(address) : undefined;
    if (pod?.kind === 'pod') return podLink(pod);
  }
  return name;
}

interface Outcome {
  readonly events: readonly HopEvent[];
  readonly differences: readonly Difference[];
  readonly end?: End;
}

function compare(hop: SeenHop, role: string, arrival: Arrival, expected: Step, met: MetRules): Outcome {
  const { place } = hop;
  const { next, events } = expected;
  const differs = (predicted: string, seen: string): Difference[] => [{ place, predicted, seen }];
  if ('end' in next) {
    const { end } = next;
    const passesLoopback = end.kind === 'delivered' && hop.out?.interface === 'lo';
    if (!hop.out || passesLoopback) return { events, differences: [], end };
    const seen = [...sentEvents(arrival), ...translations(arrival.packet, hop.out.packet, met)];
    return {
      events: seen,
      differences: differs(formatEnd(end), `left by ${hop.out.interface}: ${formatTuple(hop.out.packet)}`),
    };
  }
  const predicted = `leaves by ${next.interface}: ${formatTuple(next.packet)}`;
  if (!hop.out) {
    if (!met.dropped) return { events: sentEvents(arrival), differences: differs(predicted, 'it was not seen again') };
    const { table, chain, text } = met.dropped;
    const cause = { text: `rule of table ${table}, chain ${chain}: ${text}` };
    const end: End = { kind: 'dropped', place, cause };
    return {
      events: [...sentEvents(arrival), { kind: 'dropped', cause }],
      differences: differs(predicted, cause.text),
      end,
    };
  }
  if (role === next.interface && sameTuple(hop.out.packet, next.packet)) return { events, differences: [] };
  const seen = [...sentEvents(arrival), ...translations(arrival.packet, hop.out.packet, met)];
  return {
    events: seen,
    differences: differs(predicted, `left by ${hop.out.interface}: ${formatTuple(hop.out.packet)}`),
  };
}

const sentEvents = (arrival: Arrival): HopEvent[] => (arrival.interface === undefined ? [{ kind: 'sent' }] : []);

/** Translations as they were seen, with the rules in place of reasons. */
function translations(before: Tuple, after: Tuple, met: MetRules): HopEvent[] {
  const middle: Tuple = { ...before, destination: after.destination, destinationPort: after.destinationPort };
  const causeOf = (pattern: RegExp) => {
    const rule = met.rules.find(({ text }) => pattern.test(text));
    return rule ? { cause: { text: `rule of table ${rule.table}, chain ${rule.chain}: ${rule.text}` } } : {};
  };
  return [
    ...(sameTuple(before, middle)
      ? []
      : [{ kind: 'dnat' as const, before, after: middle, ...causeOf(/dnat|DNAT|redirect/) }]),
    ...(sameTuple(middle, after)
      ? []
      : [{ kind: 'snat' as const, before: middle, after, ...causeOf(/snat|SNAT|masq|MASQ/) }]),
  ];
}

function formatEnd(end: End): string {
  if (end.kind === 'delivered') return `delivered at ${formatPlace(end.place)}`;
  if (end.kind === 'left') return `leaves from ${formatPlace(end.place)}`;
  return `${end.kind}: ${[end.cause.object, end.cause.text].filter(Boolean).join(': ')}`;
}
