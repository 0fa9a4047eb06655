import { isIP } from 'node:net';
import { KnitError } from '../base/errors.ts';
import { join } from './join/join.ts';
import { tupleOf } from './join/tracks.ts';
import { formatPlace, formatTuple, type Place, samePlace, sameTuple, type Tuple, turnedRound } from './model.ts';
import { type Evidence, type Observation, observe, type Seen, untilSeen } from './observe.ts';
import { isLocalAddress } from './predict/node.ts';
import { filterBetween, placesOf, possibleWays, targetsOf } from './scope.ts';
import type { Report, Story } from './story.ts';
import { parsePlace, parseTarget, type Question, sourceAddress, type Target } from './target.ts';
import { GRACE_MS, grace, type Reach, type TraceOptions, tellStory } from './trace.ts';
import { Atlas, type World } from './world.ts';

const DEFAULT_WAIT_MS = 60_000;

/**
 * Sends nothing: tells the way of what FROM's own programs send to TO, of connections that begin as of those that stand
 * already. The first packet that is seen of a connection is told, and what answers it. Throws `NOTHING_SEEN`.
 */
export async function follow(
  world: World,
  reach: Reach,
  question: Question,
  options: TraceOptions = {},
): Promise<Report> {
  const { count = 1, timeoutMs = DEFAULT_WAIT_MS } = options;
  const atlas = new Atlas(world);
  const from = parsePlace(atlas, question.from);
  const target = parseTarget(atlas, from, question);
  if (!isIP(target.host))
    throw new KnitError('TARGET_UNKNOWN', `${target.host} is a name`, 'follow to an address, a pod or a Service');
  const wanted = packetTo(atlas, from, target);
  const ways = possibleWays(atlas, { from, packet: wanted });
  const observation = await observe({
    places: placesOf(from, ways),
    enter: (place) => reach.enter(place),
    filter: filterBetween(wanted, ways),
    standing: [{ address: wanted.destination, port: wanted.destinationPort }, ...targetsOf(ways)],
  });
  // What went by before all places were watched would be told without the first of them.
  const armed = BigInt(Date.now()) * 1_000_000n;
  const watched = (): Evidence => {
    const { evidence } = observation;
    return { ...evidence, seen: evidence.seen.filter(({ at }) => at >= armed) };
  };
  try {
    const deadline = AbortSignal.timeout(timeoutMs);
    const stories: Story[] = [];
    const told: Begun[] = [];
    while (stories.length < count) {
      const begun = await nextBegun(atlas, observation, watched, from, wanted, told, deadline);
      told.push(begun);
      const flow = { from, packet: begun.packet };
      const evidence = () => evidenceOf(atlas, watched(), from, wanted, begun);
      const complete = untilSeen(observation, () => join(atlas, flow, evidence())?.complete === true);
      await Promise.race([complete, grace(GRACE_MS)]);
      stories.push(tellStory(atlas, flow, { ...observation, evidence: evidence() }, undefined));
    }
    const { lost } = await observation.stop();
    return { from, to: question.to, title: target.title, stories, lost };
  } finally {
    await observation.stop();
  }
}

function packetTo(atlas: Atlas, from: Place, { protocol, host, port }: Target): Tuple {
  const source = sourceAddress(atlas, from, host);
  return { protocol, source, sourcePort: 0, destination: host, destinationPort: port };
}

/** A connection of FROM's, from the first packet that was seen of it. */
interface Begun {
  /** As the program sent it. */
  readonly packet: Tuple;
  readonly at: bigint;
}

/** The first connection that was not told yet. */
async function nextBegun(
  atlas: Atlas,
  observation: Observation,
  watched: () => Evidence,
  from: Place,
  wanted: Tuple,
  told: readonly Begun[],
  deadline: AbortSignal,
): Promise<Begun> {
  const find = (isLate = false) =>
    begunIn(atlas, watched(), from, wanted, isLate).find(({ at }) => !told.some((each) => each.at === at));
  const late = new Promise<void>((resolve) => deadline.addEventListener('abort', () => resolve(), { once: true }));
  await Promise.race([untilSeen(observation, () => find() !== undefined), late]);
  const begun = find(true);
  if (begun) return begun;
  const target = `${wanted.destination}${wanted.protocol === 'icmp' ? '' : `, port ${wanted.destinationPort}`}`;
  throw new KnitError(
    'NOTHING_SEEN',
    `${formatPlace(from)} sent nothing to ${target}`,
    'wait longer with --timeout, or let knit send: leave out --follow',
  );
}

/** Connections in the order in which they were seen first. A port that is used again begins another one. */
function begunIn(atlas: Atlas, evidence: Evidence, from: Place, wanted: Tuple, isLate = false): Begun[] {
  const begun: Begun[] = [];
  const last = new Map<string, number | undefined>();
  const sentFrom = evidence.seen
    .filter(
      ({ place, direction, interface: device }) => samePlace(place, from) && (direction === 'out' || device === 'lo'),
    )
    .toSorted((a, b) => Number(a.at - b.at));
  for (const seen of sentFrom) {
    const packet = asSent(atlas, evidence, seen, isLate);
    if (!packet || !isTo(packet, wanted)) continue;
    const key = formatTuple(packet);
    const { flags, sequence } = seen.packet.tcp ?? {};
    // A SYN of the same number is the same SYN, sent again.
    const isAnother = !last.has(key) || (flags === 'S' && sequence !== last.get(key));
    if (!isAnother) continue;
    last.set(key, sequence);
    begun.push({ packet, at: seen.at });
  }
  return begun;
}

/**
 * Addresses as a program of the place sent them: a node translates its own packets before any interface shows them.
 * Conntrack knows a packet before that, and may tell of it later: until it is late, what it did not tell of is not sure.
 */
function asSent(atlas: Atlas, { connections }: Evidence, { place, packet }: Seen, isLate: boolean): Tuple | undefined {
  const shown = tupleOf(packet);
  if (!shown || place.kind !== 'node') return shown;
  const answer = turnedRound(shown);
  const tracked = connections.findLast(
    ({ place: at, event }) =>
      samePlace(at, place) &&
      event.kind !== 'destroy' &&
      sameTuple({ ...event.reply, protocol: shown.protocol }, answer),
  );
  const sent = tracked ? { ...tracked.event.original, protocol: shown.protocol } : shown;
  const isOwn = (tracked !== undefined || isLate) && isLocalAddress(atlas.node(place.name), sent.source);
  return isOwn ? sent : undefined;
}

function isTo({ protocol, destination, destinationPort }: Tuple, wanted: Tuple): boolean {
  const isPort = protocol === 'icmp' || destinationPort === wanted.destinationPort;
  return protocol === wanted.protocol && destination === wanted.destination && isPort;
}

/** From the connection's first packet until its port is used again. */
function evidenceOf(atlas: Atlas, evidence: Evidence, from: Place, wanted: Tuple, { packet, at }: Begun): Evidence {
  const all = begunIn(atlas, evidence, from, wanted);
  const until = all.find((each) => each.at > at && sameTuple(each.packet, packet))?.at;
  const isIts = (seen: Seen) => seen.at >= at && (until === undefined || seen.at < until);
  return { ...evidence, seen: evidence.seen.filter(isIts) };
}
