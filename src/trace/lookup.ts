import { setTimeout } from 'node:timers/promises';
import { type DnsMessage, readDns } from './dns.ts';
import { join } from './join/join.ts';
import { tupleOf } from './join/tracks.ts';
import { type Flow, type Place, samePlace, type Tuple } from './model.ts';
import { type Evidence, type Observation, observe, untilSeen } from './observe.ts';
import { insideTunnels, placesOf, possibleWays } from './scope.ts';
import type { Sender } from './sender.ts';
import type { Lookup, Question } from './story.ts';
import { sourceAddress } from './target.ts';
import { GRACE_MS, type Reach, tellStory } from './trace.ts';
import type { Atlas } from './world.ts';

const DNS_PORT = 53;

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
    filter: [`udp port ${DNS_PORT}`, ...insideTunnels(ways, [DNS_PORT])].join(' or '),
  });
  try {
    await sender.ready;
    const address = await sender.resolve().catch(() => undefined);
    const told = untilSeen(observation, () => isTold(atlas, observation, from, name, address));
    await Promise.race([told, setTimeout(GRACE_MS, undefined, { ref: false })]);
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

/** All that was asked has its answer, and the way of what is told was seen whole. */
function isTold(
  atlas: Atlas,
  observation: Observation,
  from: Place,
  name: string,
  address: string | undefined,
): boolean {
  const asked = askedOf(observation, from, name);
  const told = hitOf(asked, address);
  if (!told || asked.some(({ answer }) => answer === undefined)) return false;
  return join(atlas, { from, packet: told.packet }, evidenceOf(observation, told))?.complete === true;
}

/** The query whose answer is the address, or the first where none is. */
function hitOf(asked: readonly Asked[], address: string | undefined): Asked | undefined {
  return asked.find(({ answer }) => address !== undefined && answer?.answer.includes(address)) ?? asked[0];
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
  const hit = hitOf(asked, address);
  const flow = hit && { from, packet: hit.packet };
  const own = hit && { ...observation, evidence: evidenceOf(observation, hit) };
  const story = flow && own && join(atlas, flow, own.evidence) ? tellStory(atlas, flow, own, undefined) : undefined;
  return { name, ...(address === undefined ? {} : { address }), questions, ...(story ? { story } : {}) };
}

/** One socket asks several questions: only the packets of one are its story. */
function evidenceOf({ evidence }: Observation, { message }: Asked): Evidence {
  const isOther = (payload: Buffer) => {
    const other = readDns(payload);
    return other !== undefined && (other.id !== message.id || other.type !== message.type);
  };
  return { ...evidence, seen: evidence.seen.filter(({ packet }) => !isOther(packet.payload)) };
}
