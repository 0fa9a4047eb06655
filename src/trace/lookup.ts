import { type DnsMessage, readDns } from './dns.ts';
import { join } from './join/join.ts';
import { tupleOf } from './join/tracks.ts';
import { type Flow, type Place, samePlace, type Tuple } from './model.ts';
import { type Observation, observe } from './observe.ts';
import { placesOf, possibleWays } from './scope.ts';
import type { Sender } from './sender.ts';
import type { Lookup, Question } from './story.ts';
import { sourceAddress } from './target.ts';
import { type Reach, tellStory } from './trace.ts';
import type { Atlas } from './world.ts';

const DNS_PORT = 53;
/** Packets of a lookup that is over are here within a few ms. */
const GRACE_MS = 250;

/** Lets the sender look a name up, and tells how: which names were asked, who answered, and the way of the query. */
export async function lookUp(atlas: Atlas, reach: Reach, from: Place, name: string, sender: Sender): Promise<Lookup> {
  const flows = reach.resolvers(from).map((destination): Flow => {
    const source = sourceAddress(atlas, from, destination);
    // The resolver's own port is the kernel's choice: it is known when it is seen.
    return { from, packet: { protocol: 'udp', source, sourcePort: 0, destination, destinationPort: DNS_PORT } };
  });
  const ways = flows.flatMap((flow) => possibleWays(atlas, flow));
  const observation = await observe({
    places: placesOf(from, ways),
    enter: (place) => reach.enter(place),
    filter: `udp port ${DNS_PORT}`,
  });
  try {
    await sender.ready;
    const address = await sender.resolve().catch(() => undefined);
    await untilAnswered(observation, from, name);
    return tellLookup(atlas, observation, from, name, address);
  } finally {
    await observation.stop();
  }
}

interface Asked {
  readonly message: DnsMessage;
  readonly packet: Tuple;
  readonly at: bigint;
  readonly answer?: DnsMessage;
  readonly answeredAt?: bigint;
}

/** Queries that left the sender for the name, on whatever search path, each with its answer. */
function askedOf({ evidence }: Observation, from: Place, name: string): Asked[] {
  const messages = evidence.seen
    .filter(({ place, interface: device }) => samePlace(place, from) && device !== 'lo')
    .flatMap(({ packet, at }) => {
      const message = readDns(packet.payload);
      const tuple = tupleOf(packet);
      return message && tuple ? [{ message, packet: tuple, at }] : [];
    });
  const bare = name.replace(/\.$/, '').toLowerCase();
  return messages
    .filter(({ message }) => !message.isAnswer && message.name.toLowerCase().startsWith(bare))
    .map((asked): Asked => {
      const answer = messages.find(
        ({ message, packet }) =>
          message.isAnswer &&
          message.id === asked.message.id &&
          packet.destinationPort === asked.packet.sourcePort &&
          packet.destination === asked.packet.source,
      );
      return { ...asked, ...(answer ? { answer: answer.message, answeredAt: answer.at } : {}) };
    });
}

async function untilAnswered(observation: Observation, from: Place, name: string): Promise<void> {
  const all = () => {
    const asked = askedOf(observation, from, name);
    return asked.length > 0 && asked.every(({ answer }) => answer !== undefined);
  };
  if (all()) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  observation.onMore(() => {
    if (all()) resolve();
  });
  const limit = setTimeout(resolve, GRACE_MS);
  await promise.finally(() => clearTimeout(limit));
}

function tellLookup(
  atlas: Atlas,
  observation: Observation,
  from: Place,
  name: string,
  address: string | undefined,
): Lookup {
  const asked = askedOf(observation, from, name);
  const questions = asked.map(
    ({ message, at, answer, answeredAt }): Question => ({
      name: message.name,
      type: message.type,
      ...(answer ? { answer: answer.answer } : {}),
      ...(answeredAt === undefined ? {} : { took: Number(answeredAt - at) }),
    }),
  );
  const hit = asked.find(({ answer }) => address !== undefined && answer?.answer.includes(address)) ?? asked[0];
  const story = hit && storyOf(atlas, observation, from, hit);
  return { name, ...(address === undefined ? {} : { address }), questions, ...(story ? { story } : {}) };
}

/** One socket asks several questions: only the packets of this one are its story. */
function storyOf(atlas: Atlas, observation: Observation, from: Place, { packet, message }: Asked) {
  const { evidence } = observation;
  const isOther = (each: { packet: { payload: Buffer } }) => {
    const other = readDns(each.packet.payload);
    return other !== undefined && (other.id !== message.id || other.type !== message.type);
  };
  const flow: Flow = { from, packet };
  const own = { ...observation, evidence: { ...evidence, seen: evidence.seen.filter((each) => !isOther(each)) } };
  return join(atlas, flow, own.evidence) ? tellStory(atlas, flow, own, undefined) : undefined;
}
