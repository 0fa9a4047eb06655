import { familyOf } from '../../base/cidr.ts';
import { withoutContained } from '../../base/prefixes.ts';
import type { Destination, Family, FrontEnd, NodeFacts, PlanEntry, PortPlan } from '../plan.ts';
import { type Placements, type PoolName, placementKey } from './placement.ts';
import { poolValue, verdictValue } from './values.ts';

/**
 * Elements of the table's sets and maps: `vip 10.96.0.1 . tcp . 443` → `0:4001` and a comment. Keys begin with the
 * map's name; the values of sets are empty. Texts are exactly those that nft prints, so that they compare.
 */
export type Elements = Map<string, string>;

/** Kernel's limit of an element's comment; namespace/name:port can reach 143 bytes. */
const MAX_COMMENT = 120;
/** Between an element's value and its comment. */
export const COMMENT_MARK = '\t';

/** Sets that tell where addresses belong. */
export function nodeElements(node: NodeFacts, family: Family): Elements {
  const ofFamily = (prefix: string) => familyOf(prefix.split('/')[0] ?? '') === family;
  const own = node.addresses.filter(ofFamily);
  const loopback = family === 'ipv6' ? '::1' : '127.0.0.0/8';
  const elements: Elements = new Map();
  const add = (set: string, prefixes: readonly string[]) => {
    for (const prefix of withoutContained(prefixes)) elements.set(`${set} ${prefix}`, '');
  };
  add('cluster', [...node.clusterCIDRs.filter(ofFamily), ...node.podCIDRs.filter(ofFamily), ...own, loopback]);
  add('local', [...node.podCIDRs.filter(ofFamily), ...own, loopback]);
  add('nodeips', (node.nodePortAddresses ?? node.addresses).filter(ofFamily));
  return elements;
}

/** All elements of one entry. */
export function entryElements(entry: PlanEntry, placements: Placements, family: Family, node: NodeFacts): Elements {
  const elements: Elements = new Map();
  eachElement(entry, placements, family, node, (key, value) => elements.set(key, value));
  return elements;
}

/** Tells them one by one, some of them twice, for whom a map of each entry would be too much. */
export function eachElement(
  entry: PlanEntry,
  placements: Placements,
  family: Family,
  node: NodeFacts,
  tell: Tell,
): void {
  for (const port of entry.ports) {
    if (port.family !== family) continue;
    for (const pool of ['cluster', 'local'] as const) addPool(tell, port, pool, placements, node);
    for (const front of port.frontEnds) addFrontEnd(tell, port, front, placements);
  }
}

type Tell = (key: string, value: string) => void;

function addPool(tell: Tell, port: PortPlan, pool: PoolName, placements: Placements, node: NodeFacts): void {
  const placement = placements.get(placementKey(port, pool));
  if (!placement) return;
  placement.endpoints.forEach((endpoint, slot) => {
    const at = poolValue(placement.pool, slot);
    if (!placement.serials) {
      tell(`slot ${at}`, endpoint);
      return;
    }
    const serial = poolValue(placement.pool, placement.serials[slot] ?? slot);
    tell(`pick ${at}`, serial);
    tell(`ep ${serial}`, endpoint);
  });
  for (const endpoint of port.pools[pool] ?? []) {
    // What runs in the node's own network answers itself over loopback and must keep its address.
    if (endpoint.local && !node.addresses.includes(endpoint.address)) {
      tell(`hairpin ${endpoint.address} . ${endpoint.address}`, '');
    }
  }
}

function addFrontEnd(tell: Tell, port: PortPlan, front: FrontEnd, placements: Placements): void {
  const value = (destination: Destination): string => {
    if (destination === 'refuse' || destination === 'drop') return verdictValue(destination);
    const placement = placements.get(placementKey(port, destination));
    return placement ? poolValue(placement.pool, placement.shape) : verdictValue('refuse');
  };
  const comment = COMMENT_MARK + clip(port.label);
  const inside = value(front.fromCluster) + comment;
  const outside = value(front.fromOutside) + comment;
  if (front.address === undefined) {
    const tuple = `${port.protocol} . ${front.port}`;
    tell(`np ${tuple}`, inside);
    if (outside !== inside) tell(`npext ${tuple}`, outside);
    return;
  }
  const tuple = `${front.address} . ${port.protocol} . ${front.port}`;
  tell(`vip ${tuple}`, inside);
  if (outside !== inside) tell(`ext ${tuple}`, outside);
  if (front.kind === 'ClusterIP') tell(`vips ${front.address}`, '');
  if (front.kind === 'LoadBalancer') tell(`lbs ${front.address}`, '');
  if (front.sourceRanges) {
    tell(`fw ${tuple}`, '');
    for (const range of front.sourceRanges) tell(`allow ${tuple} . ${range}`, '');
  }
}

/** Cut at the end where it must be; object names are ASCII, so bytes are characters. */
function clip(label: string): string {
  return label.length <= MAX_COMMENT ? label : label.slice(0, MAX_COMMENT);
}
