import { familyOf } from '../base/cidr.ts';
import type { ServerPlan } from '../edge/ingress/plan.ts';
import { join } from './join/join.ts';
import { tupleOf } from './join/tracks.ts';
import { type Flow, type Place, sameTuple, type Tuple, type Way } from './model.ts';
import { type Evidence, type Observation, type Seen, untilSeen } from './observe.ts';
import { possibleWays } from './scope.ts';
import type { Behind } from './story.ts';
import type { Proxied } from './target.ts';
import { GRACE_MS, grace, tellStory } from './trace.ts';
import type { Atlas } from './world.ts';

const proxy: Place = { kind: 'ingress' };

/** The ways that the proxy's own connection may take: to each server of each backend that may be drawn. */
export function waysBehind(atlas: Atlas, { backends }: Proxied): Way[] {
  return serversOf(atlas, backends).flatMap((server) => {
    const packet = {
      protocol: 'tcp',
      source: ownAddress(atlas, server),
      sourcePort: 0,
      destination: server.address,
      destinationPort: server.port,
    } as const;
    return possibleWays(atlas, { from: proxy, packet });
  });
}

/** Whoever it serves, it asks servers from its first address of their family. */
function ownAddress(atlas: Atlas, { address }: ServerPlan): string {
  const own = atlas.world.network.loadBalancerPools.flatMap(({ reserved }) => reserved);
  return own.find((each) => familyOf(each) === familyOf(address)) ?? '';
}

const serversOf = ({ routing }: Atlas, backends: readonly string[]): ServerPlan[] =>
  backends.flatMap((name) => routing.backends.get(name)?.servers ?? []);

/**
 * The request on its way behind the proxy: another connection, kept from before or new, which carries what the probe
 * sent. Undefined where it was not seen: the proxy answered by itself.
 */
export async function storyBehind(
  atlas: Atlas,
  proxied: Proxied,
  observation: Observation,
  arrived: Tuple,
): Promise<Behind | undefined> {
  const { backends, cause } = proxied;
  const servers = serversOf(atlas, backends);
  const find = () => requestBehind(observation.evidence, proxied.token, arrived, servers);
  const isWhole = () => {
    const found = find();
    return found !== undefined && join(atlas, found.flow, found.evidence)?.complete === true;
  };
  await Promise.race([untilSeen(observation, isWhole), grace(GRACE_MS)]);
  const found = find();
  if (!found) return undefined;
  const story = tellStory(atlas, found.flow, { ...observation, evidence: found.evidence }, undefined);
  const how = found.isKept ? 'on a kept connection' : 'a connection of the proxy’s own';
  const unread = {
    read: '',
    encrypted: whyByTime('what is said there is encrypted'),
    fruitless: whyByTime('nobody took it'),
  };
  const drawn = backends.find((name) => serversOf(atlas, [name]).some((server) => isServer(server, found.flow.packet)));
  const text = `${cause.text} → ${drawn ?? backends.join(' or ')}; ${how}${unread[found.known]}`;
  const isStream = backends.some((name) => atlas.routing.backends.get(name)?.policy.stream);
  return { cause: { ...cause, text }, story, isStream };
}

const whyByTime = (why: string): string => `; by its time, for ${why}`;

/** A request, on the connection that the proxy sends it by. */
export interface SentOn {
  readonly flow: Flow;
  readonly evidence: Evidence;
  readonly isKept: boolean;
  /** By what: the request itself was read, something encrypted was seen, or a connection that nobody took. */
  readonly known: 'read' | 'encrypted' | 'fruitless';
}

/**
 * The packet that carries the token, and all later ones with content: handshakes and acknowledgements tell nothing here.
 * To a backend that speaks TLS, or may (a stream), it is the first content that leaves when the client has begun to speak.
 * Where nothing left, it is the first connection since then that nobody took.
 */
export function requestBehind(
  evidence: Evidence,
  token: string,
  arrived: Tuple,
  servers: readonly ServerPlan[],
): SentOn | undefined {
  const sent = evidence.seen.filter(({ place, direction }) => place.kind === 'ingress' && direction === 'out');
  const read = sent.find(({ packet }) => packet.payload.includes(token));
  const since = firstSaid(evidence, arrived);
  const said = read ?? firstTo(secretive(servers), sent.filter(hasContent), since);
  const first = said ?? lastTry(firstTo(servers, sent.filter(isFruitless(evidence)), since), sent);
  const packet = first && tupleOf(first.packet);
  if (!first || !packet) return undefined;
  const isKept = !sent.some((each) => isSyn(each) && each.packet.sourcePort === packet.sourcePort);
  const tells = said ? hasContent : () => true;
  const seen = evidence.seen.filter((each) => each.at >= first.at && tells(each));
  const known = read ? 'read' : said ? 'encrypted' : 'fruitless';
  return { flow: { from: proxy, packet }, evidence: { ...evidence, seen, traced: false }, isKept, known };
}

const secretive = (servers: readonly ServerPlan[]) =>
  servers.filter(({ protocol = '' }) => ['https', 'grpcs', 'tcp'].includes(protocol));

const isSyn = ({ packet }: Seen): boolean => packet.tcp?.flags === 'S';

/** Whether a packet begins a connection that nobody took. */
function isFruitless({ seen }: Evidence): (each: Seen) => boolean {
  const taken = new Set(
    seen.flatMap(({ direction, packet }) =>
      direction === 'in' && packet.tcp?.flags === 'SA' ? packet.destinationPort : [],
    ),
  );
  return (each) => isSyn(each) && !taken.has(each.packet.sourcePort);
}

/** Each try goes its own way until one of them leaves a node, which then remembers it. */
const lastTry = (first: Seen | undefined, sent: readonly Seen[]): Seen | undefined =>
  first && sent.findLast((each) => isSyn(each) && each.packet.sourcePort === first.packet.sourcePort);

const hasContent = ({ packet }: Seen): boolean => (packet.tcp?.payloadLength ?? 0) > 0;

/** When the client began to speak. */
function firstSaid({ seen }: Evidence, arrived: Tuple): bigint | undefined {
  return seen.find((each) => {
    const tuple = tupleOf(each.packet);
    return each.place.kind === 'ingress' && tuple && sameTuple(tuple, arrived) && hasContent(each);
  })?.at;
}

function firstTo(servers: readonly ServerPlan[], sent: readonly Seen[], since: bigint | undefined): Seen | undefined {
  if (since === undefined) return undefined;
  return sent.find((each) => each.at >= since && servers.some((server) => isServer(server, each.packet)));
}

const isServer = ({ address, port }: ServerPlan, to: Tuple | Seen['packet']): boolean =>
  address === to.destination && port === to.destinationPort;
