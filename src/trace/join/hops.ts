import { type Place, type Sighting, samePlace } from '../model.ts';
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
    if (seen.interface === 'lo') hops.push({ place: seen.place, seen: [seen], out: sighting, in: sighting });
    else if (last && seen.direction === 'out' && last.out === undefined && samePlace(last.place, seen.place)) {
      hops[hops.length - 1] = { ...last, seen: [...last.seen, seen], out: sighting };
    } else hops.push({ place: seen.place, seen: [seen], [seen.direction]: sighting });
  }
  return hops;
}

function sightingOf({ interface: name, packet, at }: Seen): Sighting & { at: bigint } {
  const { source, destination } = packet;
  const unknown = { protocol: 'icmp' as const, source, destination, sourcePort: 0, destinationPort: 0 };
  return { interface: name, packet: tupleOf(packet) ?? unknown, at };
}
