import { isIP } from 'node:net';
import { KnitError } from '../base/errors.ts';
import { join } from './join/join.ts';
import { tupleOf } from './join/tracks.ts';
import { type Flow, formatPlace, formatTuple, type Place, samePlace, type Tuple } from './model.ts';
import { type Evidence, type Observation, observe, untilSeen } from './observe.ts';
import { filterBetween, placesOf, possibleWays } from './scope.ts';
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
  });
  try {
    const deadline = AbortSignal.timeout(timeoutMs);
    const stories: Story[] = [];
    while (stories.length < count) {
      const flow = await nextFlow(atlas, observation, from, wanted, stories, deadline);
      const evidence = () => evidenceOf(observation.evidence, flow);
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

/** The first packet of a connection that was not told yet. */
async function nextFlow(
  atlas: Atlas,
  observation: Observation,
  from: Place,
  wanted: Tuple,
  told: readonly Story[],
  deadline: AbortSignal,
): Promise<Flow> {
  const known = new Set(told.map(({ packet }) => formatTuple(packet)));
  const find = () =>
    sentTo(atlas, observation.evidence, from, wanted).find((packet) => !known.has(formatTuple(packet)));
  const late = new Promise<void>((resolve) => deadline.addEventListener('abort', () => resolve(), { once: true }));
  await Promise.race([untilSeen(observation, () => find() !== undefined), late]);
  const packet = find();
  if (packet) return { from, packet };
  const target = `${wanted.destination}${wanted.protocol === 'icmp' ? '' : `, port ${wanted.destinationPort}`}`;
  throw new KnitError(
    'NOTHING_SEEN',
    `${formatPlace(from)} sent nothing to ${target}`,
    'wait longer with --timeout, or let knit send: leave out --follow',
  );
}

/** A node translates what it sends before any interface sees it: conntrack has it as its programs sent it. */
function sentTo({ world }: Atlas, { seen, connections }: Evidence, from: Place, wanted: Tuple): Tuple[] {
  const isWanted = ({ protocol, destination, destinationPort }: Tuple) =>
    protocol === wanted.protocol &&
    destination === wanted.destination &&
    (protocol === 'icmp' || destinationPort === wanted.destinationPort);
  const onWire = seen
    .filter(({ place, direction }) => samePlace(place, from) && direction === 'out')
    .flatMap(({ packet }) => tupleOf(packet) ?? []);
  const own = world.network.fabric.nodes.find(({ name }) => from.kind === 'node' && name === from.name);
  const tracked = connections
    .filter(
      ({ place, event }) =>
        own !== undefined && samePlace(place, from) && event.kind === 'new' && event.original.source === own.address,
    )
    .map(({ event }): Tuple => ({ ...event.original, protocol: event.protocol as Tuple['protocol'] }));
  return [...onWire, ...tracked].filter(isWanted);
}

/** Other connections between the same two are left out. */
function evidenceOf(evidence: Evidence, { packet }: Flow): Evidence {
  const ports = [packet.sourcePort, packet.destinationPort];
  return {
    ...evidence,
    connections: evidence.connections.filter(({ event }) => ports.includes(event.original.sourcePort)),
  };
}
