import { randomInt } from 'node:crypto';
import { isIP } from 'node:net';
import { KnitError } from '../base/errors.ts';
import type { PlannedEndpoint } from '../proxy/plan.ts';
import { join } from './join/join.ts';
import { type Flow, formatEndpoint, formatPlace, type Hop, type Place, type Tuple, type Way } from './model.ts';
import { type Observation, observe } from './observe.ts';
import { predict } from './predict/predict.ts';
import { frontEndOf } from './predict/services.ts';
import { startSender } from './sender.ts';
import type { Story } from './story.ts';
import { summarize } from './summary.ts';
import { parsePlace, parseTarget, type Question, sourceAddress, type Target } from './target.ts';
import { Atlas, type World } from './world.ts';

/** How tracing reaches the cluster's places. */
export interface Reach {
  /** What comes before a command to run it in a place's network namespace. */
  enter(place: Place): readonly string[];
  /** The probe program, with what comes before it to run it as the place's programs run: with their resolver. */
  probe(place: Place): readonly string[];
}

export interface TraceOptions {
  /** How long an answer may take. Default 2000 ms. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** Ports that no kernel gives out by itself (`ip_local_port_range` begins at 32768) and no node port is in. */
const PROBE_PORTS = [20_000, 29_999] as const;
/** Evidence of a packet is here within a few ms of it; a machine that is busy gets more. */
const GRACE_MS = 250;
/** The most endpoints that are watched; of the others the node's side of the link tells. */
const MAX_WATCHED = 24;

/** Sends one connection and tells its story. */
export async function trace(
  world: World,
  reach: Reach,
  question: Question,
  options: TraceOptions = {},
): Promise<Story> {
  const atlas = new Atlas(world);
  const from = parsePlace(atlas, question.from);
  const target = parseTarget(atlas, from, question);
  if (!isIP(target.host)) throw new KnitError('TARGET_UNKNOWN', `names are not traced yet: ${target.host}`);
  const localPort = randomInt(...PROBE_PORTS);
  const packet: Tuple = {
    protocol: target.protocol,
    source: sourceAddress(atlas, from, target.host),
    sourcePort: localPort,
    destination: target.host,
    destinationPort: target.port,
  };
  const flow: Flow = { from, packet };
  const ways = possibleWays(atlas, flow);
  const timeoutMs = options.timeoutMs ?? 2000;
  const sender = startSender(reach.probe(from), { ...orderOf(target), localPort, timeoutMs });
  let observation: Observation | undefined;
  try {
    [observation] = await Promise.all([
      observe({
        places: placesOf(from, ways),
        enter: (place) => reach.enter(place),
        filter: filterOf(flow, ways),
        flow: {
          protocol: packet.protocol,
          ends: [{ address: packet.source, port: localPort }],
          targets: targetsOf(ways),
        },
      }),
      sender.ready,
    ]);
    const complete = untilComplete(atlas, flow, observation);
    sender.send();
    await Promise.race([sender.outcome.then(() => grace()), complete]);
    await Promise.race([grace(), complete]);
    return tellStory(atlas, flow, question, target, observation);
  } finally {
    await Promise.all([sender.stop(), observation?.stop()]);
  }
}

const orderOf = ({ host, port, protocol, text }: Target) => ({
  host,
  port,
  protocol: protocol === 'udp' ? ('udp' as const) : ('tcp' as const),
  text,
});

const grace = () => new Promise<void>((resolve) => setTimeout(resolve, GRACE_MS));

/** One way for each endpoint that the first node could choose. */
function possibleWays(atlas: Atlas, flow: Flow): Way[] {
  const first = predict(atlas, flow);
  const choosing = first.request.find(
    ({ place, events }) => place.kind === 'node' && events.some(({ kind }) => kind === 'dnat'),
  );
  const arrived = choosing?.in?.packet ?? flow.packet;
  const pool: readonly PlannedEndpoint[] =
    choosing?.place.kind === 'node' ? (frontEndOf(atlas, choosing.place.name, arrived)?.pool ?? []) : [];
  return [
    first,
    ...pool
      .slice(1, MAX_WATCHED)
      .map(({ address, port }) => predict(atlas, flow, { endpoint: formatEndpoint(address, port) })),
  ];
}

function placesOf(from: Place, ways: readonly Way[]): Place[] {
  const all = [from, ...ways.flatMap(({ request, reply }) => [...request, ...reply].map(({ place }) => place))];
  return [...new Map(all.map((place) => [formatPlace(place), place])).values()].filter(
    ({ kind }) => kind !== 'outside',
  );
}

/** Where the packet may be led to. */
function targetsOf(ways: readonly Way[]): { address: string; port: number }[] {
  return ways.flatMap(({ request }) =>
    request
      .flatMap(packetsOf)
      .map(({ destination, destinationPort }) => ({ address: destination, port: destinationPort })),
  );
}

const packetsOf = ({ in: comes, out: leaves }: Hop): Tuple[] => [comes, leaves].flatMap((each) => each?.packet ?? []);

/** The probe's own port says which packets are its; beyond an SNAT, the endpoints' addresses do. */
function filterOf({ packet }: Flow, ways: readonly Way[]): string {
  const hidden = ways.flatMap(({ request }) => {
    const at = request.findIndex(({ events }) => events.some(({ kind }) => kind === 'snat'));
    return at < 0 ? [] : request.slice(at).flatMap(packetsOf);
  });
  const endpoints = new Set(
    hidden.map(({ destination, destinationPort }) => `(host ${destination} and port ${destinationPort})`),
  );
  const errors = 'icmp[icmptype] == icmp-unreach or icmp[icmptype] == icmp-timxceed';
  return [`(${packet.protocol} and (${[`port ${packet.sourcePort}`, ...endpoints].join(' or ')}))`, errors].join(
    ' or ',
  );
}

/** Resolves when both ends of the story were seen. */
function untilComplete(atlas: Atlas, flow: Flow, { evidence, onMore }: Observation): Promise<void> {
  return new Promise((resolve) => {
    let looking = false;
    onMore(() => {
      if (looking) return;
      looking = true;
      setImmediate(() => {
        looking = false;
        if (join(atlas, flow, evidence)?.complete) resolve();
      });
    });
  });
}

function tellStory(atlas: Atlas, flow: Flow, question: Question, target: Target, { evidence }: Observation): Story {
  const joined = join(atlas, flow, evidence);
  if (!joined) {
    throw new KnitError(
      'NOTHING_SEEN',
      `no packet left ${formatPlace(flow.from)}`,
      'its own network has no way to the target: knit exec … -- ip route',
    );
  }
  const { request, reply, end, differences } = joined;
  return {
    from: flow.from,
    to: question.to,
    packet: flow.packet,
    title: target.title,
    differences,
    request,
    end,
    reply,
    summary: summarize(flow, request, reply, end, evidence),
  };
}
