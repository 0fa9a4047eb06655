import { type Cause, formatEndpoint, formatTuple, type HopEvent, type Tuple } from '../model.ts';

/** An event in words: what happens, and the object that wants it so. */
export interface EventWords {
  readonly what: string;
  readonly why: string;
}

/** `sent` and `delivered` say themselves; what they mean is told by whoever draws. */
export function wordsOf(event: HopEvent): EventWords {
  switch (event.kind) {
    case 'sent':
    case 'delivered':
      return { what: event.kind, why: '' };
    case 'dnat':
      return {
        what: `DNAT ${endText(event.before, 'destination')} → ${endText(event.after, 'destination')}`,
        why: reason(event.cause),
      };
    case 'snat':
      return {
        what: `SNAT ${endText(event.before, 'source')} → ${endText(event.after, 'source')}`,
        why: reason(event.cause),
      };
    case 'un-nat':
      return { what: `translated back to ${formatTuple(event.after)}`, why: '' };
    case 'admitted':
      return { what: 'admitted', why: reason(event.cause) };
    case 'encapsulated':
      return { what: `VXLAN ${formatTuple(event.outer)}`, why: reason(event.cause) };
    case 'decapsulated':
      return { what: `unpacked: ${formatTuple(event.inner)}`, why: reason(event.cause) };
    case 'balanced':
      return { what: 'balanced', why: reason(event.cause) };
    default:
      return { what: event.kind.toUpperCase(), why: reason(event.cause) };
  }
}

export const reason = (cause: Cause | undefined): string => [cause?.object, cause?.text].filter(Boolean).join(': ');

/** One side of a packet: an address with its port, or without where there are none. */
export function endText(tuple: Tuple, side: 'source' | 'destination'): string {
  return tuple.protocol === 'icmp' ? tuple[side] : formatEndpoint(tuple[side], tuple[`${side}Port`]);
}

/** `41 µs`, `1.2 ms` */
export function duration(ns: number): string {
  if (ns < 999_500) return `${Math.round(ns / 1000)} µs`;
  return ns < 999_500_000 ? `${(ns / 1e6).toFixed(1)} ms` : `${(ns / 1e9).toFixed(2)} s`;
}
