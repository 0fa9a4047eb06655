import type { TracedRule } from '../kernel/nft-trace.ts';
import type { End, Hop, Place, Tuple } from './model.ts';

/** What happened to one connection, as it is told. */
export interface Story {
  readonly from: Place;
  /** What was asked for: `service/shop/web`. */
  readonly to: string;
  /** The first packet as it was sent. */
  readonly packet: Tuple;
  /** The Service, Ingress or name that was meant, in one line. */
  readonly title: string;
  /** Where the kernel did something else than the plans say, first found first. Empty: as predicted. */
  readonly differences: readonly Difference[];
  readonly request: readonly ToldHop[];
  readonly end: End;
  readonly reply: readonly ToldHop[];
  readonly summary: Summary;
}

/** A hop with the rules that saw the packet there. Stamps are the kernel's. */
export interface ToldHop extends Hop {
  readonly rules: readonly (TracedRule & { readonly table: string })[];
}

export interface Difference {
  readonly place: Place;
  readonly predicted: string;
  readonly seen: string;
}

export interface Summary {
  /** Nodes that the request passed. */
  readonly nodes: readonly string[];
  readonly translations: number;
  /** What the server took for its client; undefined where none got the packet. */
  readonly serverSaw?: { readonly address: string; readonly port: number; readonly isClient: boolean };
  /** From the first packet to its answer at the sender, in ns. */
  readonly roundTrip?: number;
  /** The longest time between two sightings of the request or its answer. */
  readonly slowest?: { readonly where: string; readonly ns: number };
  /** The smallest MTU of the interfaces on the way, in bytes. */
  readonly mtu?: number;
}
