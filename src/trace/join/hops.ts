import { formatPlace, type Place, type Sighting } from '../model.ts';
import type { Seen } from '../observe.ts';
import { type Track, tupleOf } from './tracks.ts';

/** A packet's stay in a place, as it was seen. */
export interface SeenHop {
  readonly place: Place;
  readonly in?: Sighting & { readonly at: bigint };
  readonly out?: Sighting & { readonly at: bigint };
}

/**
 * A track as stays in places. A packet that is sent and received in one place passes its loopback: it goes out before
 * it comes in.
 */
export function hopsOf({ sightings }: Track): SeenHop[] {
  const hops: SeenHop[] = [];
  for (const seen of sightings) {
    const sighting = sightingOf(seen);
    const last = hops.at(-1);
    const here = last && formatPlace(last.place) === formatPlace(seen.place);
    const fits =
      here && (seen.direction === 'out' ? last.out === undefined : last.in === undefined && isLoopback(last, seen));
    if (fits) hops[hops.length - 1] = { ...last, [seen.direction]: sighting };
    else hops.push({ place: seen.place, [seen.direction]: sighting });
  }
  return hops;
}

const isLoopback = (hop: SeenHop, seen: Seen) => hop.out?.interface === seen.interface && seen.interface === 'lo';

function sightingOf({ interface: name, packet, at }: Seen): Sighting & { at: bigint } {
  const tuple = tupleOf(packet.icmp?.about ? { ...packet.icmp.about } : packet) ?? {
    protocol: 'icmp' as const,
    source: packet.source,
    destination: packet.destination,
    sourcePort: 0,
    destinationPort: 0,
  };
  return { interface: name, packet: tuple, at };
}
