import type { TracedRule } from '../kernel/nft-trace.ts';
import type { Cause, End, Hop, Place, Tuple } from './model.ts';
import type { Seen } from './observe.ts';
import type { ProbeOutcome } from './sender.ts';

/** All that a trace found out. */
export interface Report {
  readonly from: Place;
  /** What was asked for: `service/shop/web`. */
  readonly to: string;
  /** The Service, Ingress or name that was meant, in one line. */
  readonly title: string;
  /** Of the target's name; not there where it is an address. */
  readonly lookup?: Lookup;
  /** One a connection. */
  readonly stories: readonly Story[];
  /** Packets that the captures could not keep up with. */
  readonly lost: number;
}

/** How a name was looked up, as the packets of port 53 tell. */
export interface Lookup {
  readonly name: string;
  readonly address?: string;
  readonly questions: readonly Question[];
  /** The way of the query that was answered with the address. */
  readonly story?: Story;
}

export interface Question {
  /** With the search path: `web.shop.svc.cluster.local.` */
  readonly name: string;
  readonly type: string;
  /** Addresses, `NXDOMAIN`, `no such record`; not there where no answer came. */
  readonly answer?: string;
  /** Until the answer, in ns. */
  readonly took?: number;
}

/** What happened to one connection, as it is told. */
export interface Story {
  readonly from: Place;
  /** The first packet as it was sent. */
  readonly packet: Tuple;
  /** Where the kernel did something else than the plans say, first found first. Empty: as predicted. */
  readonly differences: readonly Difference[];
  readonly request: readonly ToldHop[];
  readonly end: End;
  readonly reply: readonly ToldHop[];
  /** What the answer is: `accepted`, `refused by a reset`, `ICMP: host unreachable`, … */
  readonly replyIs?: string;
  /** How the answer's way ends; not there where none was seen. */
  readonly replyEnd?: End;
  readonly summary: Summary;
  /** The connection that the L7 proxy made for this one, and by which Ingress or Gateway. */
  readonly behind?: Behind;
  /** Every sighting of every packet of the connection, in the order of time. */
  readonly packets: readonly Seen[];
  /** What the sender's program got; not there where it was not waited for. */
  readonly outcome?: ProbeOutcome;
}

export interface Behind {
  readonly cause: Cause;
  readonly story: Story;
  /** A stream: nothing in it tells the server who the client is. */
  readonly isStream: boolean;
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
  readonly serverSaw?: {
    readonly address: string;
    readonly port: number;
    readonly isClient: boolean;
    /** Whose address it is: `node-2`. */
    readonly who?: string;
  };
  /** From the first packet to its answer at the sender, in ns. */
  readonly roundTrip?: number;
  /** The longest time between two sightings of the request or its answer. */
  readonly slowest?: { readonly where: string; readonly ns: number };
  /** The smallest MTU of the interfaces on the way, in bytes. */
  readonly mtu?: number;
}
