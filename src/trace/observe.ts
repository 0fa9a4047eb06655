import { familyOf } from '../base/cidr.ts';
import { type Capture, openCapture } from '../kernel/capture.ts';
import { type ConntrackEvent, standingConnections, watchConntrack } from '../kernel/conntrack-events.ts';
import { type Links, linksOf } from '../kernel/ip.ts';
import { type ChainWalk, openNftTrace, type TracedFlow } from '../kernel/nft-trace.ts';
import { type IpPacket, parsePacket, parseVxlan } from '../kernel/packet.ts';
import { formatPlace, type Place } from './model.ts';

/** A packet that was seen on an interface of a place. */
export interface Seen {
  readonly place: Place;
  /** Its name there. */
  readonly interface: string;
  readonly direction: 'in' | 'out';
  /** ns since the epoch; one clock for all places. */
  readonly at: bigint;
  readonly packet: IpPacket;
  /** The tunnel's packet that carries it here. */
  readonly outer?: IpPacket;
  /** As it was captured, and how long it was on the wire. */
  readonly frame: Buffer;
  readonly length: number;
}

export interface SeenWalk {
  readonly place: Place;
  readonly walk: ChainWalk;
}

export interface SeenConnection {
  readonly place: Place;
  readonly event: ConntrackEvent;
}

/** All that the kernel told, in the order in which it came here. */
export interface Evidence {
  readonly seen: readonly Seen[];
  readonly walks: readonly SeenWalk[];
  readonly connections: readonly SeenConnection[];
  /** Rules of nodes and of the fabric were traced. */
  readonly traced: boolean;
  /** Of each place, by {@link formatPlace}. */
  readonly links: ReadonlyMap<string, Links>;
}

export interface Observation {
  readonly evidence: Evidence;
  /** Calls `listener` whenever there is more evidence. */
  onMore(listener: () => void): void;
  /** Ends all captures; tells how many packets were lost by them. */
  stop(): Promise<{ readonly lost: number }>;
}

export interface ObserveOptions {
  readonly places: readonly Place[];
  /** What comes before a command to run it in a place's network namespace; a place that has none is not watched. */
  enter(place: Place): readonly string[] | undefined;
  /** Which packets are captured, as pcap-filter(7). */
  readonly filter: string;
  /** Which packets' rules are traced. Left out: none. */
  readonly flow?: TracedFlow;
  /** Connections that stand already are evidence too where they lead to one of these. */
  readonly standing?: readonly Target[];
}

interface Target {
  readonly address: string;
  readonly port: number;
}

/** Watches every interface of the places, and the rules and connections of those that have some. Resolves when all listen. */
export async function observe({ places, enter, filter, flow, standing }: ObserveOptions): Promise<Observation> {
  const seen: Seen[] = [];
  const walks: SeenWalk[] = [];
  const connections: SeenConnection[] = [];
  const links = new Map<string, Links>();
  let notify: () => void = () => undefined;
  const captures: Capture[] = [];
  const others: { stop(): Promise<void> }[] = [];
  const stop = async () => {
    const [counts] = await Promise.all([
      Promise.all(captures.map((capture) => capture.stop())),
      ...others.map((other) => other.stop()),
    ]);
    return { lost: counts.reduce((sum, each) => sum + each.lost, 0) };
  };
  const watch = async (place: Place, command: readonly string[]) => {
    const names = await linksOf(command);
    links.set(formatPlace(place), names);
    captures.push(
      await openCapture({
        enter: command,
        filter,
        onPacket({ at, direction, frame, bytes, length, interface: index }) {
          const whole = parsePacket(bytes);
          if (!whole) return;
          const device = names.names.get(index) ?? `#${index}`;
          const inner = parseVxlan(whole)?.inner;
          const packets = inner ? { packet: inner, outer: whole } : { packet: whole };
          seen.push({ place, interface: device, direction, at, ...packets, frame, length });
          notify();
        },
      }),
    );
  };
  const watchRules = async (place: Place, command: readonly string[]) => {
    const onWalk = (walk: ChainWalk) => {
      walks.push({ place, walk });
      notify();
    };
    const onEvent = (event: ConntrackEvent) => {
      connections.push({ place, event });
      notify();
    };
    const start = async (opening: Promise<{ stop(): Promise<void> }>) => void others.push(await opening);
    await Promise.all([
      flow && start(openNftTrace({ enter: command, flow, onWalk })),
      start(watchConntrack(command, onEvent)),
    ]);
    if (standing === undefined) return;
    const known = await standingConnections(command, familyOf(standing[0]?.address ?? ''));
    const isMeant = (address: string, port: number) =>
      standing.some((each) => each.address === address && each.port === port);
    connections.unshift(
      ...known
        .filter(
          ({ original, reply }) =>
            isMeant(original.destination, original.destinationPort) || isMeant(reply.source, reply.sourcePort),
        )
        .map((event) => ({ place, event })),
    );
  };
  const hasRules = (place: Place) => place.kind === 'node' || place.kind === 'fabric';
  const started = await Promise.allSettled(
    places.flatMap((place) => {
      const command = enter(place);
      if (!command) return [];
      return [watch(place, command), ...(hasRules(place) ? [watchRules(place, command)] : [])];
    }),
  );
  const failed = started.find((each) => each.status === 'rejected');
  if (failed) {
    await stop();
    throw failed.reason;
  }
  return {
    evidence: { seen, walks, connections, links, traced: flow !== undefined },
    onMore(listener) {
      notify = listener;
    },
    stop,
  };
}

/** Resolves when the evidence is enough: `isEnough` is asked after each group of events. */
export function untilSeen({ onMore }: Observation, isEnough: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    let looking = false;
    const look = () => {
      looking = false;
      if (isEnough()) resolve();
    };
    onMore(() => {
      if (!looking) setImmediate(look);
      looking = true;
    });
    look();
  });
}
