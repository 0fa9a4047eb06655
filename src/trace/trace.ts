import { randomInt } from 'node:crypto';
import { isIP } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { KnitError } from '../base/errors.ts';
import { join } from './join/join.ts';
import { lookUp } from './lookup.ts';
import { type Flow, formatPlace, type Place, type Tuple } from './model.ts';
import { type Observation, observe, untilSeen } from './observe.ts';
import { storyBehind, waysBehind } from './proxied.ts';
import { filterOf, placesOf, possibleWays, sourcesOf, targetsOf } from './scope.ts';
import { type ProbeOutcome, type Sender, startPings, startSender } from './sender.ts';
import type { Lookup, Report, Story } from './story.ts';
import { summarize } from './summary.ts';
import { type Proxied, parsePlace, parseTarget, type Question, sourceAddress, type Target } from './target.ts';
import { Atlas, type World } from './world.ts';

/** How tracing reaches the cluster's places. */
export interface Reach {
  /** What comes before a command to run it in a place's network namespace; undefined where it has none now. */
  enter(place: Place): readonly string[] | undefined;
  /** The same, where names mean what they mean to the place's own programs. */
  enterAsProgram(place: Place): readonly string[];
  /** Name servers of the place's programs. */
  resolvers(place: Place): readonly string[];
  /** The command lines of the probe program (`probe.ts`) and of busybox' ping. */
  readonly probe: readonly string[];
  readonly ping: readonly string[];
}

export interface TraceOptions {
  /** How many connections, one after another. Default 1. */
  readonly count?: number;
  /** How long an answer may take. Default 2000 ms. */
  readonly timeoutMs?: number;
}

/** Ports that no kernel gives out by itself (`ip_local_port_range` begins at 32768) and no node port is in. */
const PROBE_PORTS = [20_000, 29_000] as const;
/** Evidence of a packet is here within a few ms of it; a machine that is busy gets more. */
export const GRACE_MS = 1000;
const DEFAULT_TIMEOUT_MS = 2000;

/** Sends what was asked for and tells its way. Throws `TARGET_UNKNOWN`, `NAME_UNKNOWN`, `NOTHING_SEEN`, `CAPTURE_FAILED`. */
export async function trace(
  world: World,
  reach: Reach,
  question: Question,
  options: TraceOptions = {},
): Promise<Report> {
  const atlas = new Atlas(world);
  const from = parsePlace(atlas, question.from);
  const target = parseTarget(atlas, from, question);
  const sender = senderFor(reach, from, target, options);
  try {
    const lookup = isIP(target.host) ? undefined : await lookUp(atlas, reach, from, target.host, sender);
    if (lookup && lookup.address === undefined)
      return { from, to: question.to, title: target.title, lookup, stories: [], lost: 0 };
    return await send(atlas, reach, question, from, target, sender, lookup);
  } finally {
    await sender.stop();
  }
}

function senderFor(reach: Reach, from: Place, target: Target, options: TraceOptions): Sender {
  const { count = 1, timeoutMs = DEFAULT_TIMEOUT_MS } = options;
  const enter = reach.enterAsProgram(from);
  const { protocol, host, family, port, text, tls } = target;
  if (protocol === 'icmp') return startPings([...enter, ...reach.ping], host, count, timeoutMs);
  const first = randomInt(...PROBE_PORTS);
  const localPorts = Array.from({ length: count }, (_, index) => first + index);
  return startSender([...enter, ...reach.probe], { protocol, host, family, port, localPorts, text, tls, timeoutMs });
}

async function send(
  atlas: Atlas,
  reach: Reach,
  question: Question,
  from: Place,
  target: Target,
  sender: Sender,
  lookup: Lookup | undefined,
): Promise<Report> {
  const destination = lookup?.address ?? target.host;
  const flows = sender.ports.map((port): Flow => ({ from, packet: packetOf(atlas, from, target, destination, port) }));
  const behind = target.proxied ? waysBehind(atlas, target.proxied) : [];
  const ways = [...flows.slice(0, 1).flatMap((flow) => possibleWays(atlas, flow)), ...behind];
  const watching = observe({
    places: placesOf(from, ways),
    enter: (place) => reach.enter(place),
    filter: filterOf(flows, ways, sourcesOf(behind)),
    flow: {
      protocol: target.protocol,
      ends: flows.map(({ packet }) => ({ address: packet.source, port: packet.sourcePort })),
      targets: targetsOf(ways),
    },
  });
  // Where one of the two fails, the other is ended too.
  const [observed, ready] = await Promise.allSettled([watching, sender.ready]);
  const observation = observed.status === 'fulfilled' ? observed.value : undefined;
  try {
    if (!observation) throw (observed as PromiseRejectedResult).reason;
    if (ready.status === 'rejected') throw ready.reason;
    const stories: Story[] = [];
    for (const flow of flows) stories.push(await tellOne(atlas, flow, sender, observation, target.proxied));
    const { lost } = await observation.stop();
    return { from, to: question.to, title: target.title, ...(lookup ? { lookup } : {}), stories, lost };
  } finally {
    await observation?.stop();
  }
}

function packetOf(atlas: Atlas, from: Place, target: Target, destination: string, sourcePort: number): Tuple {
  const { protocol, port } = target;
  const source = sourceAddress(atlas, from, destination);
  return { protocol, source, sourcePort, destination, destinationPort: protocol === 'icmp' ? sourcePort : port };
}

async function tellOne(
  atlas: Atlas,
  flow: Flow,
  sender: Sender,
  observation: Observation,
  proxied: Proxied | undefined,
): Promise<Story> {
  const complete = untilSeen(observation, () => join(atlas, flow, observation.evidence)?.complete === true);
  const outcome = sender.send();
  // Where a rule dropped the packet there is no use in waiting for an answer.
  await Promise.race([outcome, complete]);
  await Promise.race([grace(), complete]);
  const end = join(atlas, flow, observation.evidence)?.end;
  const got = end?.kind === 'dropped' ? undefined : await outcome;
  const isProxied = proxied && got && end?.kind === 'delivered';
  const behind = isProxied ? await storyBehind(atlas, proxied, observation, end.packet) : undefined;
  return { ...tellStory(atlas, flow, observation, got), ...(behind ? { behind } : {}) };
}

export const grace = (ms = GRACE_MS): Promise<undefined> => setTimeout(ms, undefined, { ref: false });

/** Throws `NOTHING_SEEN`. */
export function tellStory(
  atlas: Atlas,
  flow: Flow,
  { evidence }: Observation,
  outcome: ProbeOutcome | undefined,
): Story {
  const joined = join(atlas, flow, evidence);
  if (!joined) {
    const why = outcome?.failure ? `: ${outcome.failure}` : '';
    throw new KnitError(
      'NOTHING_SEEN',
      `no packet left ${formatPlace(flow.from)}${why}`,
      'look at its own routes: knit exec TARGET -- ip route',
    );
  }
  const { request, reply, replyEnd, replyIs, end, differences, packets } = joined;
  return {
    from: flow.from,
    packet: flow.packet,
    differences,
    request,
    end,
    reply,
    ...(replyEnd ? { replyEnd, replyIs } : {}),
    packets,
    summary: summarize(atlas, flow, request, reply, end, evidence),
    ...(outcome ? { outcome } : {}),
  };
}
