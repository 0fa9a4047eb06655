import { join } from './join/join.ts';
import { tupleOf } from './join/tracks.ts';
import type { Cause, Flow, Place, Way } from './model.ts';
import { type Evidence, type Observation, untilSeen } from './observe.ts';
import { possibleWays } from './scope.ts';
import type { Story } from './story.ts';
import type { Proxied } from './target.ts';
import { GRACE_MS, grace, tellStory } from './trace.ts';
import type { Atlas } from './world.ts';

const proxy: Place = { kind: 'ingress' };

/** The ways that the proxy's own connection may take: to each of the backend's servers. */
export function waysBehind(atlas: Atlas, { address, route }: Proxied): Way[] {
  const servers = atlas.routing.backends.get(route.backend)?.servers ?? [];
  return servers.flatMap((server) => {
    const packet = {
      protocol: 'tcp',
      source: address,
      sourcePort: 0,
      destination: server.address,
      destinationPort: server.port,
    } as const;
    return possibleWays(atlas, { from: proxy, packet });
  });
}

/**
 * The request on its way behind the proxy: another connection, kept from before or new, which carries what the probe
 * sent. Undefined where it was not seen: the proxy answered by itself.
 */
export async function storyBehind(
  atlas: Atlas,
  proxied: Proxied,
  observation: Observation,
): Promise<{ cause: Cause; story: Story } | undefined> {
  const find = () => requestBehind(observation.evidence, proxied.token);
  const isWhole = () => {
    const found = find();
    return found !== undefined && join(atlas, found.flow, found.evidence)?.complete === true;
  };
  await Promise.race([untilSeen(observation, isWhole), grace(GRACE_MS)]);
  const found = find();
  if (!found) return undefined;
  const story = tellStory(atlas, found.flow, { ...observation, evidence: found.evidence }, undefined);
  const { host, path, source, backend } = proxied.route;
  const text = `host ${host || 'any'}, path ${path} → ${backend}; ${found.isKept ? 'on a kept connection' : 'a connection of the proxy’s own'}`;
  return { cause: { object: `Ingress ${source}`, text }, story };
}

/** The packet that carries the token, and all later ones with content: handshakes and acknowledgements tell nothing here. */
function requestBehind(
  evidence: Evidence,
  token: string,
): { flow: Flow; evidence: Evidence; isKept: boolean } | undefined {
  const sent = evidence.seen.filter(({ place, direction }) => place.kind === 'ingress' && direction === 'out');
  const first = sent.find(({ packet }) => packet.payload.includes(token));
  const packet = first && tupleOf(first.packet);
  if (!first || !packet) return undefined;
  const isSameFlow = (port: number | undefined) => port === packet.sourcePort;
  const isKept = !sent.some((each) => each.packet.tcp?.flags === 'S' && isSameFlow(each.packet.sourcePort));
  const seen = evidence.seen.filter((each) => each.at >= first.at && (each.packet.tcp?.payloadLength ?? 0) > 0);
  return { flow: { from: proxy, packet }, evidence: { ...evidence, seen, traced: false }, isKept };
}
