import type { End, Flow, Hop } from './model.ts';
import { formatPlace } from './model.ts';
import type { Evidence } from './observe.ts';
import type { Story, Summary } from './story.ts';
import type { Atlas } from './world.ts';

/** What a story comes to. */
export function summarize(
  atlas: Atlas,
  flow: Flow,
  request: readonly Hop[],
  reply: readonly Hop[],
  end: End,
  evidence: Evidence,
): Summary {
  const nodes = [...new Set(request.flatMap(({ place }) => (place.kind === 'node' ? [place.name] : [])))];
  const translations = request.flatMap(({ events }) => events).filter(({ kind }) => kind === 'dnat' || kind === 'snat');
  const times = [...request, ...reply].flatMap(stampsOf);
  const [first, last] = [times[0]?.at, times.at(-1)?.at];
  const answered = reply.length > 0;
  const mtu = smallestMtu([...request, ...reply], evidence);
  const seen = end.kind === 'delivered' ? atlas.placeOf(end.packet.source) : undefined;
  const slowest = slowestStep(times);
  return {
    nodes,
    translations: translations.length,
    ...(end.kind === 'delivered'
      ? {
          serverSaw: {
            address: end.packet.source,
            port: end.packet.sourcePort,
            isClient: end.packet.source === flow.packet.source,
            ...(seen ? { who: formatPlace(seen) } : {}),
          },
        }
      : {}),
    ...(answered && first !== undefined && last !== undefined ? { roundTrip: Number(last - first) } : {}),
    ...(slowest ? { slowest } : {}),
    ...(mtu === undefined ? {} : { mtu }),
  };
}

/** Of a connection and of the one that the L7 proxy made for it, as one. */
export function wholeSummary({ summary, behind, packet }: Story): Summary {
  if (!behind) return summary;
  const { nodes, translations, serverSaw } = behind.story.summary;
  return {
    ...summary,
    nodes: [...new Set([...summary.nodes, ...nodes])],
    translations: summary.translations + translations,
    ...(serverSaw ? { serverSaw: { ...serverSaw, isClient: serverSaw.address === packet.source } } : {}),
  };
}

interface Stamp {
  readonly at: bigint;
  readonly where: string;
}

/** In the order in which the packet passed: what is sent to oneself goes out first. */
function stampsOf({ place, in: comes, out: leaves }: Hop): Stamp[] {
  const where = formatPlace(place);
  return [comes, leaves]
    .flatMap((sighting) => (sighting?.at === undefined ? [] : [{ at: sighting.at, where }]))
    .sort((a, b) => Number(a.at - b.at));
}

function slowestStep(times: readonly Stamp[]): Summary['slowest'] {
  const steps = times.slice(1).map((stamp, index) => {
    const before = times[index]!;
    const where = before.where === stamp.where ? stamp.where : `${before.where} → ${stamp.where}`;
    return { where, ns: Number(stamp.at - before.at) };
  });
  return steps.toSorted((a, b) => b.ns - a.ns)[0];
}

function smallestMtu(hops: readonly Hop[], evidence: Evidence): number | undefined {
  const mtus = hops.flatMap(({ place, in: comes, out: leaves }) =>
    [comes, leaves].flatMap((each) => {
      const mtu = each && evidence.links.get(formatPlace(place))?.mtus.get(each.interface);
      return mtu === undefined ? [] : [mtu];
    }),
  );
  return mtus.length === 0 ? undefined : Math.min(...mtus);
}
