import { milliValue } from '../../api/quantity.ts';
import type { EndpointSlice, Node, Service } from '../../api/types.ts';

type Endpoint = NonNullable<EndpointSlice['endpoints']>[number];

/** Part of the cluster's CPU by zone, of two zones or more; they add up to 1. */
export type ZoneShares = ReadonlyMap<string, number>;

export const ZONE_LABEL = 'topology.kubernetes.io/zone';

/** No endpoint gets more than this above its even share of the traffic (KEP-2433). */
const OVERLOAD = 0.2;

/** How the zones' endpoints are dealt out: `why` says why they are not. */
export type ZonePlan = { readonly zones: readonly string[] } | { readonly why: string };

/** Whether a Service asks for topology mode `Auto`. The older annotation goes before. */
export function asksForZones({ metadata }: Service): boolean {
  const { annotations = {} } = metadata ?? {};
  const mode =
    annotations['service.kubernetes.io/topology-aware-hints'] ?? annotations['service.kubernetes.io/topology-mode'];
  return mode === 'Auto' || mode === 'auto';
}

/** `undefined` where the nodes do not say enough: one has no zone or no CPU, or all are in one zone. */
export function zoneSharesOf(nodes: readonly Node[]): ZoneShares | undefined {
  const cpus = new Map<string, number>();
  for (const node of nodes) {
    const zone = node.metadata?.labels?.[ZONE_LABEL];
    const cpu = weightOf(node);
    if (cpu === undefined) continue;
    if (!zone || cpu === 0) return undefined;
    cpus.set(zone, (cpus.get(zone) ?? 0) + cpu);
  }
  const total = [...cpus.values()].reduce((sum, cpu) => sum + cpu, 0);
  if (cpus.size < 2) return undefined;
  return new Map([...cpus].map(([zone, cpu]) => [zone, cpu / total]));
}

/** Thousandths of a core; `undefined` for a node that carries no traffic: of the control plane, or not ready. */
export function weightOf(node: Node | undefined): number | undefined {
  const { labels = {} } = node?.metadata ?? {};
  if ('node-role.kubernetes.io/control-plane' in labels || 'node-role.kubernetes.io/master' in labels) return undefined;
  const isReady = node?.status?.conditions?.find(({ type }) => type === 'Ready')?.status === 'True';
  return isReady ? milliValue(node?.status?.allocatable?.cpu ?? '0') : undefined;
}

/**
 * For which zone each of these ready endpoints is, so that zones have endpoints as they have CPU and as many as can be
 * stay in their own (the EndpointSlice controller's topology cache). Hints that are there and do stay as they are.
 */
export function planZones(endpoints: readonly Endpoint[], shares: ZoneShares | undefined): ZonePlan {
  if (!shares) {
    return { why: 'Insufficient Node information: allocatable CPU or zone not specified on one or more nodes' };
  }
  const counted = `(${endpoints.length} endpoints, ${shares.size} zones)`;
  if (shares.size > endpoints.length) return { why: `Insufficient number of endpoints ${counted}` };
  const least = new Map(
    [...shares].map(([zone, share]) => [zone, Math.ceil((share * endpoints.length) / (1 + OVERLOAD))]),
  );
  const spare = endpoints.length - [...least.values()].reduce((sum, count) => sum + count, 0);
  if (spare < 0) {
    const why = 'Unable to allocate minimum required endpoints to each zone without exceeding overload threshold';
    return { why: `${why} ${counted}` };
  }
  if (endpoints.some(({ zone }) => !zone)) return { why: 'One or more endpoints do not have a zone specified' };
  const present = endpoints.map(({ hints }) => hints?.forZones?.[0]?.name ?? '');
  if (isWithin(present, least, spare)) return { zones: present };
  const wanted = new Map(
    [...shares].map(([zone, share]) => [zone, Math.max(share * endpoints.length, least.get(zone) ?? 0)] as const),
  );
  const own = endpoints.map(({ zone }) => zone ?? '');
  return { zones: dealt(own, present, { wanted, least, spare }) };
}

interface Bounds {
  readonly wanted: ReadonlyMap<string, number>;
  readonly least: ReadonlyMap<string, number>;
  readonly spare: number;
}

function isWithin(zones: readonly string[], least: ReadonlyMap<string, number>, spare: number): boolean {
  const counts = countsOf(zones);
  if ([...counts.keys()].some((zone) => !least.has(zone))) return false;
  return [...least].every(([zone, minimum]) => {
    const count = counts.get(zone) ?? 0;
    return count >= minimum && count <= minimum + spare;
  });
}

/**
 * Endpoints stay in the zone that they are for, new ones in their own, but for those that a zone with too many gives to one
 * with too few: first who is at home there, then new ones. Who was dealt before moves only where a bound is broken.
 */
function dealt(own: readonly string[], present: readonly string[], { wanted, least, spare }: Bounds): string[] {
  const kept = new Map<string, number>();
  const isKept = present.map((zone) => {
    const count = kept.get(zone) ?? 0;
    const minimum = least.get(zone);
    if (minimum === undefined || count >= minimum + spare) return false;
    kept.set(zone, count + 1);
    return true;
  });
  const result = own.map((zone, index) => (isKept[index] ? (present[index] ?? zone) : zone));
  const counts = countsOf(result);
  const zones = new Set([...wanted.keys(), ...counts.keys()]);
  const excess = new Map([...zones].map((zone) => [zone, (counts.get(zone) ?? 0) - (wanted.get(zone) ?? 0)]));
  for (;;) {
    const [from, tooMany] = most(excess, 1);
    const [to, tooFew] = most(excess, -1);
    if ((tooMany < 1 && tooFew < 1) || tooMany < 0.5 || tooFew < 0.5) return result;
    const there = counts.get(from) ?? 0;
    const here = counts.get(to) ?? 0;
    const isBroken = there > (least.get(from) ?? 0) + spare || here < (least.get(to) ?? 0);
    const find = (wants: (index: number) => boolean) =>
      result.findIndex((zone, index) => zone === from && wants(index));
    const candidates = [find((index) => own[index] === to), find((index) => !isKept[index])];
    if (isBroken) candidates.push(find(() => true));
    const moved = candidates.find((index) => index >= 0);
    if (moved === undefined) return result;
    result[moved] = to;
    counts.set(from, there - 1).set(to, here + 1);
    excess.set(from, tooMany - 1).set(to, 1 - tooFew);
  }
}

/** The zone with the most too many (`sign` 1) or too few (-1), and how many those are. */
function most(excess: ReadonlyMap<string, number>, sign: 1 | -1): [zone: string, count: number] {
  let best: [string, number] = ['', 0];
  for (const [zone, count] of excess) if (count * sign > best[1]) best = [zone, count * sign];
  return best;
}

function countsOf(zones: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const zone of zones) counts.set(zone, (counts.get(zone) ?? 0) + 1);
  return counts;
}
