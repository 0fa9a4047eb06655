import type { IpPacket } from '../../kernel/packet.ts';
import { type Place, type Sighting, samePlace, type Tuple } from '../model.ts';
import type { Seen } from '../observe.ts';
import { type Track, tupleOf } from './tracks.ts';

/** A packet's stay in a place, as it was seen. */
export interface SeenHop {
  readonly place: Place;
  /** The packet as it came and as it left. */
  readonly seen: readonly Seen[];
  readonly in?: Sighting & { readonly at: bigint };
  readonly out?: Sighting & { readonly at: bigint };
}

/** A track as stays in places. */
export function hopsOf({ sightings }: Track): SeenHop[] {
  const hops: SeenHop[] = [];
  for (const seen of sightings) {
    const sighting = sightingOf(seen);
    const last = hops.at(-1);
    // A capture shows what passes a loopback once, though it is sent and received.
    const isHere = last !== undefined && samePlace(last.place, seen.place);
    if (seen.interface === 'lo') hops.push({ place: seen.place, seen: [seen], out: sighting, in: sighting });
    else if (isHere && seen.direction === 'out' && last.out === undefined) {
      hops[hops.length - 1] = { ...last, seen: [...last.seen, seen], out: sighting };
    } else if (isHere && seen.direction === 'out' && seen.outer && last.out && !last.out.inner) {
      // It left by the tunnel's device, which sends it on in a packet of its own.
      hops.push({ place: seen.place, seen: [seen], in: last.out, out: sighting });
    } else if (isHere && seen.direction === 'in' && last.in?.inner && !last.out && !seen.outer) {
      // The tunnel's packet ended here: what it carried comes in by the tunnel's device.
      hops[hops.length - 1] = { ...last, out: sighting };
      hops.push({ place: seen.place, seen: [seen], in: sighting });
    } else hops.push({ place: seen.place, seen: [seen], [seen.direction]: sighting });
  }
  return hops;
}

function sightingOf({ interface: name, packet, outer, at }: Seen): Sighting & { at: bigint } {
  const inner = tupleOrErrorOf(packet);
  return outer ? { interface: name, packet: tupleOrErrorOf(outer), inner, at } : { interface: name, packet: inner, at };
}

function tupleOrErrorOf(packet: IpPacket): Tuple {
  const { source, destination } = packet;
  return tupleOf(packet) ?? { protocol: 'icmp', source, destination, sourcePort: 0, destinationPort: 0 };
}

/** A stay of which one side is a packet of the tunnel's: no rule of the traced flow sees it. */
export const isTunnelled = ({ in: comes, out: leaves }: Pick<SeenHop, 'in' | 'out'>): boolean =>
  comes?.inner !== undefined || leaves?.inner !== undefined;
