import type { Protocol as ServiceProtocol } from '../proxy/plan.ts';

/** Plain values that all of tracing speaks in: what a plan says of a packet, and what the kernel did with it. */

export type Protocol = Exclude<ServiceProtocol, 'sctp'> | 'icmp';

/** A packet's addresses. ICMP has the echo's id as both ports. */
export interface Tuple {
  readonly protocol: Protocol;
  readonly source: string;
  readonly sourcePort: number;
  readonly destination: string;
  readonly destinationPort: number;
}

/** Where a packet can be: a network namespace, or the world beyond the cluster's. */
export type Place =
  | { readonly kind: 'pod'; readonly namespace: string; readonly name: string; readonly node: string }
  | { readonly kind: 'node'; readonly name: string }
  /** The network between nodes, and what stands for the cloud. */
  | { readonly kind: 'fabric' }
  | { readonly kind: 'client'; readonly name: string }
  /** The L7 proxy, outside the nodes. */
  | { readonly kind: 'ingress' }
  /** Nobody's namespace: the machine's own network and what is behind it. */
  | { readonly kind: 'outside' };

/** A packet on an interface. */
export interface Sighting {
  /** Its name in the place's namespace; predicted ones of pods' links are `link of NAMESPACE/NAME`. */
  readonly interface: string;
  readonly packet: Tuple;
  /** What it carries, where it is a tunnel's own packet. */
  readonly inner?: Tuple;
  /** ns since the epoch; only of what was seen. */
  readonly at?: bigint;
}

/** Why something happens to a packet: the object behind the rule, in Kubernetes' words. */
export interface Cause {
  /** `Service shop/cart:http`, `NetworkPolicy shop/db-only`, `node-1`. */
  readonly object?: string;
  /** `endpoint 2 of 5: cart-7d9f (node-3)`. */
  readonly text: string;
}

/** What happens to a packet in a place, in the order in which it happens. */
export type HopEvent =
  | { readonly kind: 'sent' }
  | { readonly kind: 'delivered'; readonly cause?: Cause }
  | { readonly kind: 'admitted'; readonly cause: Cause }
  /** A load balancer chose a node; nothing in the packet changes. */
  | { readonly kind: 'balanced'; readonly cause: Cause }
  | { readonly kind: 'dnat' | 'snat'; readonly before: Tuple; readonly after: Tuple; readonly cause?: Cause }
  /** A reply gets the addresses that the other side knows. */
  | { readonly kind: 'un-nat'; readonly before: Tuple; readonly after: Tuple }
  /** It leaves in a packet of the tunnel's, or comes out of one. */
  | {
      readonly kind: 'encapsulated' | 'decapsulated';
      readonly outer: Tuple;
      readonly inner: Tuple;
      readonly cause: Cause;
    }
  | { readonly kind: 'dropped' | 'rejected'; readonly cause: Cause };

/** A packet's stay in one place, from the interface that it came in by to the one that it left by. */
export interface Hop {
  readonly place: Place;
  readonly in?: Sighting;
  readonly out?: Sighting;
  readonly events: readonly HopEvent[];
}

/** How a packet's way ends. */
export type End =
  | { readonly kind: 'delivered'; readonly place: Place; readonly packet: Tuple }
  | { readonly kind: 'dropped' | 'rejected'; readonly place: Place; readonly cause: Cause }
  /** It leaves for where nothing can be seen. */
  | { readonly kind: 'left'; readonly place: Place; readonly packet: Tuple };

/** The way of a connection's first packet and of the first that answers it. */
export interface Way {
  readonly request: readonly Hop[];
  readonly end: End;
  /** Empty where nothing answers. */
  readonly reply: readonly Hop[];
}

/** A connection's first packet, and who sends it. */
export interface Flow {
  readonly from: Place;
  readonly packet: Tuple;
}

export function formatPlace(place: Place): string {
  switch (place.kind) {
    case 'pod':
      return `pod ${place.namespace}/${place.name}`;
    case 'node':
      return place.name;
    case 'client':
      return `client ${place.name}`;
    default:
      return place.kind;
  }
}

export const samePlace = (a: Place, b: Place): boolean => a.kind === b.kind && formatPlace(a) === formatPlace(b);

export function formatEndpoint(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** `10.244.1.2:40312 → 10.96.0.10:80`; ICMP has no ports. */
export function formatTuple({ protocol, source, sourcePort, destination, destinationPort }: Tuple): string {
  if (protocol === 'icmp') return `${source} → ${destination}`;
  return `${formatEndpoint(source, sourcePort)} → ${formatEndpoint(destination, destinationPort)}`;
}

export function turnedRound({ protocol, source, sourcePort, destination, destinationPort }: Tuple): Tuple {
  return {
    protocol,
    source: destination,
    sourcePort: destinationPort,
    destination: source,
    destinationPort: sourcePort,
  };
}

export function sameTuple(a: Tuple, b: Tuple): boolean {
  return (
    a.protocol === b.protocol &&
    a.source === b.source &&
    a.sourcePort === b.sourcePort &&
    a.destination === b.destination &&
    a.destinationPort === b.destinationPort
  );
}
