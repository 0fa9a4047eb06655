import { familyOf } from '../../base/cidr.ts';
import { withoutContained } from '../../base/prefixes.ts';
import type { Destination, Family, FrontEnd, NodeFacts, PlanEntry, PlannedEndpoint, PortPlan } from '../plan.ts';
import { of } from './changes.ts';
import type { Placements, PoolPlacement, PortPlacement } from './placement.ts';
import { poolValue, verdictValue } from './values.ts';

/**
 * Elements of the table's sets and maps, by map and key: `vip`, `10.96.0.1 . tcp . 443`. A value is what follows the key
 * in a command, spelled as nft prints it so that texts compare: nothing in a set, else what {@link valueText} makes.
 */
export type Elements = Map<string, Map<string, string>>;
export type Tell = (map: string, key: string, value: string) => void;

/** Kernel's limit of an element's comment; namespace/name:port can reach 143 bytes. */
const MAX_COMMENT = 120;

export function valueText(data: string, comment?: string): string {
  return comment === undefined ? ` : ${data}` : ` comment "${comment}" : ${data}`;
}

/** The data of a value, where there is one. */
export function dataOf(value: string | undefined): string | undefined {
  const at = value?.lastIndexOf(' : ') ?? -1;
  return at < 0 ? undefined : value?.slice(at + 3);
}

/** Sets that tell where addresses belong. */
export function nodeElements(node: NodeFacts, family: Family): Elements {
  const ofFamily = (prefix: string) => familyOf(prefix.split('/')[0] ?? '') === family;
  const own = node.addresses.filter(ofFamily);
  const loopback = family === 'ipv6' ? '::1' : '127.0.0.0/8';
  const elements: Elements = new Map();
  const add = (set: string, prefixes: readonly string[]) => {
    elements.set(set, new Map(withoutContained(prefixes).map((prefix) => [prefix, ''])));
  };
  add('cluster', [...node.clusterCIDRs.filter(ofFamily), ...node.podCIDRs.filter(ofFamily), ...own, loopback]);
  add('local', [...node.podCIDRs.filter(ofFamily), ...own, loopback]);
  add('nodeips', (node.nodePortAddresses ?? node.addresses).filter(ofFamily));
  return elements;
}

/** Collects what `each` tells. */
export function elementsFrom(each: (tell: Tell) => void): Elements {
  const elements: Elements = new Map();
  each((map, key, value) => of(elements, map).set(key, value));
  return elements;
}

/** Elements of an entry's pools, which nobody else wants. */
export function eachOfPools(placements: Placements, tell: Tell): void {
  for (const { cluster, local } of placements) {
    if (cluster) addPool(tell, cluster);
    if (local) addPool(tell, local);
  }
}

function addPool(tell: Tell, { pool, endpoints, serials }: PoolPlacement): void {
  endpoints.forEach((endpoint, slot) => {
    const at = poolValue(pool, slot);
    if (!serials) {
      tell('slot', at, valueText(endpoint));
      return;
    }
    const serial = poolValue(pool, serials[slot] ?? slot);
    tell('pick', at, valueText(serial));
    tell('ep', serial, valueText(endpoint));
  });
}

/** The other elements of an entry, some of them twice: those that others may want too. */
export function eachShared(
  entry: PlanEntry,
  placements: Placements,
  family: Family,
  node: NodeFacts,
  tell: Tell,
): void {
  entry.ports.forEach((port, index) => {
    if (port.family !== family) return;
    for (const endpoint of port.pools.cluster ?? []) addHairpin(tell, endpoint, node);
    for (const endpoint of port.pools.local ?? []) addHairpin(tell, endpoint, node);
    for (const front of port.frontEnds) addFrontEnd(tell, port, front, placements[index] ?? {});
  });
}

/** What runs in the node's own network answers itself over loopback and must keep its address. */
function addHairpin(tell: Tell, { address, local }: PlannedEndpoint, node: NodeFacts): void {
  if (local && !node.addresses.includes(address)) tell('hairpin', `${address} . ${address}`, '');
}

function addFrontEnd(tell: Tell, port: PortPlan, front: FrontEnd, placement: PortPlacement): void {
  const value = (destination: Destination): string => {
    if (destination === 'refuse' || destination === 'drop') return verdictValue(destination);
    const there = placement[destination];
    return there ? poolValue(there.pool, there.shape) : verdictValue('refuse');
  };
  const comment = clip(port.label);
  const inside = valueText(value(front.fromCluster), comment);
  const outside = front.fromOutside === front.fromCluster ? inside : valueText(value(front.fromOutside), comment);
  if (front.address === undefined) {
    const tuple = `${port.protocol} . ${front.port}`;
    tell('np', tuple, inside);
    if (outside !== inside) tell('npext', tuple, outside);
    return;
  }
  const tuple = `${front.address} . ${port.protocol} . ${front.port}`;
  tell('vip', tuple, inside);
  if (outside !== inside) tell('ext', tuple, outside);
  if (front.kind === 'ClusterIP') tell('vips', front.address, '');
  if (front.kind === 'LoadBalancer') tell('lbs', front.address, '');
  if (front.sourceRanges) {
    tell('fw', tuple, '');
    for (const range of front.sourceRanges) tell('allow', `${tuple} . ${range}`, '');
  }
}

/** Cut at the end where it must be; object names are ASCII, so bytes are characters. */
function clip(label: string): string {
  return label.length <= MAX_COMMENT ? label : label.slice(0, MAX_COMMENT);
}
