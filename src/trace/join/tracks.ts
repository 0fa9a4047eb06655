import type { IpPacket } from '../../kernel/packet.ts';
import { formatPlace, type Place, type Protocol, samePlace, sameTuple, type Tuple, turnedRound } from '../model.ts';
import type { Evidence, Seen } from '../observe.ts';

/** One packet, everywhere it was seen, in the order of time. */
export interface Track {
  readonly sightings: readonly [Seen, ...Seen[]];
}

/** A packet's addresses; `undefined` for what has no place in a flow. */
export function tupleOf(packet: IpPacket): Tuple | undefined {
  const { protocol, source, destination, sourcePort, destinationPort, icmp } = packet;
  if (protocol === 'other') return undefined;
  if (protocol === 'icmp') {
    if (icmp?.id === undefined) return undefined;
    return { protocol, source, destination, sourcePort: icmp.id, destinationPort: icmp.id };
  }
  if (sourcePort === undefined || destinationPort === undefined) return undefined;
  return { protocol: protocol as Protocol, source, destination, sourcePort, destinationPort };
}

/**
 * What a packet keeps on its way, whatever its addresses become: TCP numbers its bytes, and every other one has an IP
 * identification (IPv4) or its own content.
 */
export function identityOf({ protocol, tcp, icmp, id, length, payload }: IpPacket): string {
  if (tcp) return `tcp ${tcp.sequence} ${tcp.acknowledgment} ${tcp.flags} ${tcp.payloadLength} ${id ?? ''}`;
  const content = payload.subarray(0, 64).toString('latin1');
  if (icmp?.about) return `icmp ${icmp.type} ${icmp.code} ${identityOf(icmp.about)}`;
  if (icmp) return `icmp ${icmp.type} ${icmp.sequence} ${id ?? ''} ${content}`;
  return `${protocol} ${id ?? ''} ${length} ${content}`;
}

/** Numbers of their own, or of their sender's, tell two packets of one content apart. */
const isNumbered = ({ tcp, icmp, id }: IpPacket): boolean => tcp !== undefined || icmp !== undefined || (id ?? 0) > 0;

/**
 * The packets of the flow that begins with `first`, and of what translations made of it: by conntrack's word, and
 * because a packet that is the same with other addresses was translated.
 */
export function tracksOf(evidence: Evidence, first: Tuple): Track[] {
  const known = new Set<string>([keyOf(first)]);
  for (let before = -1; before !== known.size; ) {
    before = known.size;
    for (const { event } of evidence.connections) {
      const original = { protocol: event.protocol as Protocol, ...event.original };
      const reply = { protocol: event.protocol as Protocol, ...event.reply };
      if (known.has(keyOf(original)) || known.has(keyOf(reply))) known.add(keyOf(original)).add(keyOf(reply));
    }
  }
  const groups = Map.groupBy(evidence.seen, ({ packet }) => identityOf(packet));
  return [...groups.values()]
    .filter((group) => group.some(({ packet }) => isKnown(known, packet)))
    .flatMap((group) => packetsOf(group.filter(({ packet }) => isNumbered(packet) || isKnown(known, packet))))
    .sort((a, b) => Number(a.sightings[0].at - b.sightings[0].at));
}

function isKnown(known: ReadonlySet<string>, packet: IpPacket): boolean {
  const tuple = tupleOf(packet.icmp?.about ?? packet);
  return tuple !== undefined && known.has(keyOf(tuple));
}

/** The same for both directions. */
function keyOf(tuple: Tuple): string {
  const ends = [`${tuple.source} ${tuple.sourcePort}`, `${tuple.destination} ${tuple.destinationPort}`];
  return `${tuple.protocol} ${ends.sort().join(' ')}`;
}

/** Sightings of packets that are the same: one that passes where one has passed is the next of them. */
function packetsOf(group: readonly Seen[]): Track[] {
  const tracks: { readonly passed: Set<string>; readonly sightings: [Seen, ...Seen[]] }[] = [];
  for (const seen of group.toSorted((a, b) => Number(a.at - b.at))) {
    const { place, interface: device, direction, packet } = seen;
    const here = `${formatPlace(place)} ${device} ${direction} ${packet.ttl}`;
    const track = tracks.find(({ passed }) => !passed.has(here));
    if (track) track.sightings.push(seen);
    else tracks.push({ passed: new Set(), sightings: [seen] });
    (track ?? tracks.at(-1))?.passed.add(here);
  }
  return tracks;
}

/** The packet that began the flow: the first that left the place where it began. */
export function requestOf(tracks: readonly Track[], from: Place): Track | undefined {
  return tracks.find(
    ({ sightings: [first] }) => (first.direction === 'out' || first.interface === 'lo') && samePlace(first.place, from),
  );
}

/** The first packet that speaks back: it begins with the addresses of the request turned round, wherever that got to. */
export function answerOf(tracks: readonly Track[], request: Track): Track | undefined {
  const asked = request.sightings.flatMap(({ packet }) => tupleOf(packet) ?? []);
  return tracks.find((track) => {
    const { packet } = track.sightings[0];
    if (track === request) return false;
    const about = packet.icmp?.about && tupleOf(packet.icmp.about);
    const tuple = tupleOf(packet);
    if (about) return asked.some((each) => sameTuple(each, about));
    return tuple !== undefined && asked.some((each) => sameTuple(each, turnedRound(tuple)));
  });
}

/** Codes of "destination unreachable" (RFC 792, RFC 1812 §5.2.7.1) that routers and rules send. */
const UNREACHABLE: Readonly<Record<number, string>> = {
  0: 'network unreachable',
  1: 'host unreachable',
  2: 'protocol unreachable',
  3: 'port unreachable',
  4: 'fragmentation needed',
  9: 'network prohibited',
  10: 'host prohibited',
  13: 'administratively prohibited',
};
const UNREACHABLE_IPV6: Readonly<Record<number, string>> = {
  0: 'no route',
  1: 'administratively prohibited',
  3: 'address unreachable',
  4: 'port unreachable',
};

/** What a first answer is, in words. */
export function answerKind({ family, protocol, tcp, icmp }: IpPacket): string {
  if (tcp?.flags.includes('R')) return 'refused by a reset';
  if (tcp?.flags.includes('S')) return 'accepted';
  if (!icmp?.about) return protocol === 'icmp' ? 'echoed' : 'answered';
  const [unreachable, names] = family === 'ipv4' ? [3, UNREACHABLE] : [1, UNREACHABLE_IPV6];
  if (icmp.type === unreachable) return `ICMP: ${names[icmp.code] ?? `unreachable, code ${icmp.code}`}`;
  return icmp.mtu === undefined ? `ICMP: type ${icmp.type}` : 'ICMP: too big';
}
