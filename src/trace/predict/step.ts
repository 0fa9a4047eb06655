import type { End, HopEvent, Place, Tuple } from '../model.ts';
import type { Atlas } from '../world.ts';

/** A packet that comes to a place, or begins there. */
export interface Arrival {
  readonly packet: Tuple;
  /** Undefined where it is sent by this place. */
  readonly interface?: string;
  /** What it carries, where it is a tunnel's own packet. */
  readonly inner?: Tuple;
  /** The tunnel's device has it, to send it on in a packet of the tunnel's. */
  readonly entersTunnel?: boolean;
}

/** Where a kernel chooses at random, a prediction is of one choice: what was seen, or the first. */
export interface Choices {
  /** The node that the load balancer sends it to. */
  readonly node?: string;
  /** `address:port` of the endpoint. */
  readonly endpoint?: string;
  /** Source address and port after masquerade; unknown before it happened. */
  readonly masqueradePort?: number;
  /** Source port of the tunnel's packet: a hash of what is in it. */
  readonly tunnelPort?: number;
  /** The fabric's own address towards the world outside. */
  readonly uplinkAddress?: string;
}

/** What a place does with a packet. */
export interface Step {
  readonly events: readonly HopEvent[];
  /** How the way ends here, or where the packet goes. */
  readonly next: Departure | { readonly end: End };
}

export interface Departure {
  /** The interface that it leaves by, and how it is then. */
  readonly interface: string;
  readonly packet: Tuple;
  readonly to: Place;
  /** The interface that it comes in by there. */
  readonly toInterface: string;
  readonly inner?: Tuple;
  readonly entersTunnel?: boolean;
}

/** What is the same for all steps of one way. */
export interface Walk {
  readonly atlas: Atlas;
  readonly choices: Choices;
  /** Connections that places translated on the way there, as conntrack has them. */
  readonly tracked: Map<string, { readonly before: Tuple; readonly after: Tuple }>;
}

/** Stands for a port that masquerade will choose: nobody knows it before. */
export const ANY_PORT = 0;

/** A packet under another source address; an echo's id is the port of both its sides. */
export function masqueraded(packet: Tuple, source: string, { masqueradePort = ANY_PORT }: Choices): Tuple {
  const sourcePort = masqueradePort;
  return packet.protocol === 'icmp'
    ? { ...packet, source, sourcePort, destinationPort: sourcePort }
    : { ...packet, source, sourcePort };
}
