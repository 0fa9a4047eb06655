import { isDeepStrictEqual } from 'node:util';
import { services } from '../../api/resource.ts';
import type { EndpointSlice, Pod, Service } from '../../api/types.ts';
import { controllerReference } from '../owners.ts';
import { isReady, isTerminating } from '../pods.ts';
import {
  addressOf,
  type Family,
  familiesOf,
  HEADLESS_LABEL,
  hostnameOf,
  isHeadless,
  type Port,
  portsOf,
  TRIGGER_TIME,
  triggerTime,
} from './members.ts';
import { asksForZones, planZones, type ZoneShares } from './topology.ts';

export const SERVICE_NAME = 'kubernetes.io/service-name';
export const MANAGED_BY = 'endpointslice.kubernetes.io/managed-by';
export const CONTROLLER_NAME = 'endpointslice-controller.k8s.io';

const MAX_ENDPOINTS = 100;

export type Endpoint = NonNullable<EndpointSlice['endpoints']>[number];

export interface SliceChanges {
  readonly create: EndpointSlice[];
  readonly update: EndpointSlice[];
  readonly remove: EndpointSlice[];
}

export interface SlicePlan extends SliceChanges {
  /** Where the Service asks for topology mode `Auto`: once a family, whether its endpoints have hints. */
  readonly zoned: readonly Zoned[];
}

/** `why` there are no hints; `before` says whether there were some. */
export interface Zoned {
  readonly family: Family;
  readonly before: boolean;
  readonly why?: string;
}

/** What is known of zones: a node's own, and each one's part of the cluster. */
export interface Zones {
  of(node: string): string | undefined;
  readonly shares: ZoneShares | undefined;
}

interface Group {
  readonly family: Family;
  readonly ports: Port[];
  /** By the uid of the pod. */
  readonly endpoints: Map<string, Endpoint>;
}

/**
 * What has to be written so that the slices of a Service say what its pods are. Endpoints stay in the slice where they
 * are, and new ones fill slices that have room, so that a change touches as few slices as it can.
 */
export function planSlices(
  service: Service,
  members: readonly Pod[],
  present: readonly EndpointSlice[],
  zones: Zones,
): SlicePlan {
  const groups = groupsOf(service, members, zones);
  const zoned = asksForZones(service)
    ? familiesOf(service).map((family) => spread(family, groups, present, zones.shares))
    : [];
  const changes: SlicePlan = { create: [], update: [], remove: [], zoned };
  const metadata = metadataOf(service, members);
  const left = new Set(present);
  for (const group of groups) {
    const mine = present.filter(
      (slice) => slice.addressType === group.family && isDeepStrictEqual(plain(slice.ports ?? []), plain(group.ports)),
    );
    for (const slice of mine) left.delete(slice);
    fill(group, mine, metadata, changes);
  }
  changes.remove.push(...left);
  return changes;
}

/** Pods of the same ports go together: with named target ports they may differ. A Service without pods has one empty slice. */
function groupsOf(service: Service, members: readonly Pod[], zones: Zones): Group[] {
  return familiesOf(service).flatMap((family) => {
    const groups = new Map<string, Group>();
    for (const pod of members) {
      const address = addressOf(pod, family);
      if (!address) continue;
      const ports = portsOf(service, pod);
      const id = JSON.stringify(ports);
      const group = groups.get(id) ?? { family, ports, endpoints: new Map() };
      groups.set(id, group);
      group.endpoints.set(pod.metadata?.uid ?? '', endpointOf(service, pod, address, zones));
    }
    return groups.size > 0 ? [...groups.values()] : [{ family, ports: [], endpoints: new Map() }];
  });
}

/** Gives the ready endpoints of a family their zones. */
function spread(
  family: Family,
  groups: readonly Group[],
  present: readonly EndpointSlice[],
  shares: ZoneShares | undefined,
): Zoned {
  const had = new Map<string, Endpoint['hints']>();
  for (const { addressType, endpoints } of present) {
    if (addressType === family)
      for (const { targetRef, hints } of endpoints ?? []) had.set(targetRef?.uid ?? '', hints);
  }
  const ready = groups
    .filter((group) => group.family === family)
    .flatMap((group) => [...group.endpoints.values()])
    .filter(({ conditions }) => conditions?.ready);
  const plan = planZones(
    ready.map((endpoint) => ({ ...endpoint, hints: had.get(endpoint.targetRef?.uid ?? '') })),
    shares,
  );
  const before = [...had.values()].some((hints) => hints !== undefined);
  if ('why' in plan) return { family, before, why: plan.why };
  for (const [index, endpoint] of ready.entries()) endpoint.hints = { forZones: [{ name: plan.zones[index] ?? '' }] };
  return { family, before };
}

function endpointOf(service: Service, pod: Pod, address: string, zones: Zones): Endpoint {
  const { name, namespace, uid } = pod.metadata ?? {};
  const nodeName = pod.spec?.nodeName;
  const serving = isReady(pod);
  const terminating = isTerminating(pod);
  const ready = service.spec?.publishNotReadyAddresses === true || (serving && !terminating);
  const zone = nodeName ? zones.of(nodeName) : undefined;
  return {
    addresses: [address],
    conditions: { ready, serving, terminating },
    hostname: hostnameOf(service, pod),
    nodeName,
    targetRef: { kind: 'Pod', namespace, name, uid },
    zone,
    hints: ready ? hintsOf(service, nodeName, zone) : undefined,
  };
}

/**
 * For whom an endpoint is the near one, where the Service asks for near ones (KEP-4444, KEP-3015). With
 * `PreferSameNode` the zone is the next best.
 */
function hintsOf(service: Service, node: string | undefined, zone: string | undefined): Endpoint['hints'] {
  // Topology mode `Auto` goes before, and is dealt out over all endpoints.
  const wanted = asksForZones(service) ? undefined : service.spec?.trafficDistribution;
  if (wanted === undefined || zone === undefined) {
    return wanted === 'PreferSameNode' && node ? { forNodes: [{ name: node }] } : undefined;
  }
  const forZones = [{ name: zone }];
  return wanted === 'PreferSameNode' && node ? { forNodes: [{ name: node }], forZones } : { forZones };
}

type Metadata = Required<Pick<NonNullable<EndpointSlice['metadata']>, 'labels' | 'annotations' | 'ownerReferences'>> & {
  readonly service: Service;
};

function metadataOf(service: Service, members: readonly Pod[]): Metadata {
  const time = triggerTime(service, members);
  return {
    service,
    labels: {
      ...service.metadata?.labels,
      ...(isHeadless(service) ? { [HEADLESS_LABEL]: '' } : {}),
      [SERVICE_NAME]: service.metadata?.name ?? '',
      [MANAGED_BY]: CONTROLLER_NAME,
    },
    annotations: time ? { [TRIGGER_TIME]: time } : {},
    ownerReferences: [controllerReference(services, service)],
  };
}

function fill(group: Group, present: readonly EndpointSlice[], metadata: Metadata, changes: SliceChanges): void {
  const waiting = new Map(group.endpoints);
  const kept = present.map((slice) => {
    const endpoints = (slice.endpoints ?? []).flatMap((endpoint) => {
      const uid = endpoint.targetRef?.uid ?? '';
      const wanted = waiting.get(uid);
      waiting.delete(uid);
      return wanted ?? [];
    });
    return { slice, endpoints };
  });
  const fresh = [...waiting.values()];
  // Slices that change anyway take new endpoints first, then the fullest.
  const byPreference = kept
    .map((each) => ({ ...each, changed: !sameEndpoints(each.slice, each.endpoints) }))
    .sort((a, b) => Number(b.changed) - Number(a.changed) || b.endpoints.length - a.endpoints.length);
  for (const each of byPreference) each.endpoints.push(...fresh.splice(0, MAX_ENDPOINTS - each.endpoints.length));
  const empty = byPreference.filter(({ endpoints }) => endpoints.length === 0);
  const onlyEmpty = group.endpoints.size === 0 ? empty.slice(1) : empty;
  for (const { slice, endpoints } of byPreference) {
    if (onlyEmpty.some((each) => each.slice === slice)) changes.remove.push(slice);
    else if (!sameEndpoints(slice, endpoints) || !sameLabels(slice, metadata)) {
      changes.update.push(updated(slice, endpoints, metadata));
    }
  }
  while (fresh.length > 0) changes.create.push(newSlice(group, fresh.splice(0, MAX_ENDPOINTS), metadata));
  if (group.endpoints.size === 0 && present.length === 0) changes.create.push(newSlice(group, [], metadata));
}

const sameEndpoints = (slice: EndpointSlice, endpoints: readonly Endpoint[]): boolean =>
  isDeepStrictEqual(plain(slice.endpoints ?? []), plain(endpoints));

const sameLabels = (slice: EndpointSlice, { labels }: Metadata): boolean =>
  isDeepStrictEqual(slice.metadata?.labels, labels);

/** As it is on the wire: without what is undefined. */
export const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value ?? null));

function updated(slice: EndpointSlice, endpoints: Endpoint[], { service: _, ...metadata }: Metadata): EndpointSlice {
  const annotations = { ...slice.metadata?.annotations, ...metadata.annotations };
  return { ...slice, metadata: { ...slice.metadata, ...metadata, annotations }, endpoints };
}

function newSlice(group: Group, endpoints: Endpoint[], { service, ...metadata }: Metadata): EndpointSlice {
  const { name, namespace } = service.metadata ?? {};
  return {
    addressType: group.family,
    metadata: { generateName: `${name}-`, namespace, ...metadata },
    ports: group.ports,
    endpoints,
  };
}
