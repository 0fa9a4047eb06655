import { isIPv6 } from 'node:net';
import type { Service } from '../../api/types.ts';
import { addressAt, contains, parseCIDR, sizeOf } from '../../base/cidr.ts';
import { canonicalAddress } from '../../base/prefixes.ts';

/** Services that name this class, or none, are ours; those of other classes are other implementations'. */
export const loadBalancerClass = 'knit.dev/l4';

/** `Proxy`: the load balancer translates to node ports, and nodes know nothing of the address (KEP-1860). */
export const ipModeAnnotation = 'knit.dev/load-balancer-ip-mode';

/** Where virtual addresses come from. */
export interface AddressPool {
  /** `203.0.113.0/27` */
  readonly cidr: string;
  /** Addresses of it that no Service gets. */
  readonly reserved: readonly string[];
}

/** What a Service gets: its addresses, or why it has none. */
export type Assignment = { readonly addresses: readonly string[] } | { readonly trouble: string };

export function isBalanced({ spec }: Service): boolean {
  return spec?.type === 'LoadBalancer' && (spec.loadBalancerClass ?? loadBalancerClass) === loadBalancerClass;
}

/** Of a Service that has an address of the pool. */
export function addressOf(service: Service, pool: AddressPool): string | undefined {
  return service.status?.loadBalancer?.ingress
    ?.map((ingress) => ingress.ip ?? '')
    .find((ip) => isUsable(ip, pool) === undefined);
}

/**
 * Gives each Service of type LoadBalancer an address of the pool, by `namespace/name`. Who has one keeps it; who asks
 * for a certain one (`spec.loadBalancerIP`) comes before who takes any; the older comes before the younger.
 */
export function assignAddresses(services: readonly Service[], pool: AddressPool): ReadonlyMap<string, Assignment> {
  const waiting = services.filter(isBalanced).toSorted(byAge);
  const owners = new Map<string, string>();
  const assigned = new Map<string, Assignment>();
  const give = (service: Service, address: string) => {
    owners.set(address, keyOf(service));
    assigned.set(keyOf(service), { addresses: [address] });
  };
  for (const service of waiting) {
    const present = addressOf(service, pool);
    const asked = service.spec?.loadBalancerIP;
    if (present && !owners.has(present) && (!asked || canonicalAddress(asked) === present)) give(service, present);
  }
  for (const service of waiting.filter((each) => each.spec?.loadBalancerIP && !assigned.has(keyOf(each)))) {
    const asked = service.spec?.loadBalancerIP ?? '';
    const owner = owners.get(asked);
    const trouble = isUsable(asked, pool) ?? (owner && `the address ${asked} is that of Service ${owner}`);
    if (trouble) assigned.set(keyOf(service), { trouble });
    else give(service, asked);
  }
  const free = freeAddresses(pool, owners);
  for (const service of waiting.filter((each) => !assigned.has(keyOf(each)))) {
    const trouble = familyTrouble(service);
    const next = trouble ? undefined : free.next().value;
    if (next) give(service, next);
    else assigned.set(keyOf(service), { trouble: trouble ?? `no address is free in ${pool.cidr}` });
  }
  return assigned;
}

export function keyOf({ metadata }: Service): string {
  return `${metadata?.namespace}/${metadata?.name}`;
}

/** Undefined where a Service may have it. */
function isUsable(address: string, pool: AddressPool): string | undefined {
  const cidr = parseCIDR(pool.cidr);
  if (canonicalAddress(address) === undefined || isIPv6(address) || !contains(cidr, address))
    return `${address} is not an address of ${pool.cidr}`;
  if (pool.reserved.includes(address)) return `the address ${address} is reserved`;
  if (address === addressAt(cidr, 0) || address === addressAt(cidr, sizeOf(cidr) - 1))
    return `${address} is the first or the last of ${pool.cidr}`;
  return undefined;
}

function familyTrouble({ spec }: Service): string | undefined {
  return spec?.ipFamilies?.includes('IPv4') === false ? `there are no ${spec.ipFamilies[0]} addresses` : undefined;
}

/** Network and broadcast address are nobody's. */
function* freeAddresses(pool: AddressPool, owners: ReadonlyMap<string, string>): Generator<string, undefined> {
  const cidr = parseCIDR(pool.cidr);
  for (let index = 1; index < sizeOf(cidr) - 1; index++) {
    const address = addressAt(cidr, index);
    if (!owners.has(address) && !pool.reserved.includes(address)) yield address;
  }
  return undefined;
}

function byAge(a: Service, b: Service): number {
  const time = (each: Service) => each.metadata?.creationTimestamp ?? '';
  if (time(a) !== time(b)) return time(a) < time(b) ? -1 : 1;
  return keyOf(a) < keyOf(b) ? -1 : 1;
}
