import type { Service } from '../../api/types.ts';
import { addressAt, familyOf, type IPFamily, indexOf, parseCIDR, sizeOf } from '../../base/cidr.ts';
import { canonicalAddress } from '../../base/prefixes.ts';

/** Services that name this class, or none, are ours; those of other classes are other implementations'. */
export const loadBalancerClass = 'knit.dev/l4';

/** Services of this class hold the addresses of Gateways: they get theirs as others do, and nothing is balanced to them. */
export const gatewayAddressClass = 'knit.dev/gateway';

/** `Proxy`: the load balancer translates to node ports, and nodes know nothing of the address (KEP-1860). */
export const ipModeAnnotation = 'knit.dev/load-balancer-ip-mode';

/** Where virtual addresses of one family come from. */
export interface AddressPool {
  /** `203.0.113.0/27` */
  readonly cidr: string;
  /** Addresses of it that no Service gets. */
  readonly reserved: readonly string[];
}

/** What a Service gets: its addresses, and what of its wishes cannot be met. */
export interface Assignment {
  readonly addresses: readonly string[];
  readonly trouble?: string;
}

/** It is ours to serve; not any more while it is being deleted. */
export function isBalanced(service: Service): boolean {
  return (service.spec?.loadBalancerClass ?? loadBalancerClass) === loadBalancerClass && hasAddresses(service);
}

/** Addresses are given to it: it is balanced, or a Gateway's. */
export function hasAddresses({ metadata, spec }: Service): boolean {
  return (
    spec?.type === 'LoadBalancer' && isOurClass(spec.loadBalancerClass) && metadata?.deletionTimestamp === undefined
  );
}

/** Of another class is somebody else's; what changed its type has no class any more. */
export function isOurClass(name = loadBalancerClass): boolean {
  return name === loadBalancerClass || name === gatewayAddressClass;
}

/** Addresses of the pools that a Service has. */
export function addressesOf(service: Service, pools: readonly AddressPool[]): string[] {
  const present = service.status?.loadBalancer?.ingress?.map(({ ip = '' }) => ip) ?? [];
  return present.filter((ip) => pools.some((pool) => isUsable(ip, pool)));
}

/**
 * Gives each Service of type LoadBalancer an address of each of its families that there is a pool for, by
 * `namespace/name`. Who has one keeps it; who asks for a certain one (`spec.loadBalancerIP`) comes before who takes any;
 * the older comes before the younger.
 */
export function assignAddresses(
  services: readonly Service[],
  pools: readonly AddressPool[],
): ReadonlyMap<string, Assignment> {
  const waiting = services.filter(hasAddresses).toSorted(byAge);
  const byFamily = new Map(pools.map((pool) => [familyOf(pool.cidr), assignFamily(waiting, pool)]));
  return new Map(
    waiting.map((service) => {
      const outcomes = familiesOf(service).map(
        (family) => byFamily.get(family)?.get(service) ?? { trouble: `there are no ${family} addresses` },
      );
      const addresses = outcomes.flatMap((outcome) => ('address' in outcome ? [outcome.address] : []));
      const troubles = outcomes.flatMap((outcome) => ('trouble' in outcome ? [outcome.trouble] : []));
      const trouble = [...troubles, ...ipModeTrouble(service)].join('; ');
      return [keyOf(service), trouble ? { addresses, trouble } : { addresses }];
    }),
  );
}

function ipModeTrouble({ metadata }: Service): string[] {
  const mode = metadata?.annotations?.[ipModeAnnotation] ?? 'VIP';
  if (mode === 'VIP' || mode === 'Proxy') return [];
  return [`annotation ${ipModeAnnotation}: ${JSON.stringify(mode.slice(0, 80))}: must be VIP or Proxy`];
}

type Outcome = { readonly address: string } | { readonly trouble: string };

function assignFamily(waiting: readonly Service[], pool: AddressPool): ReadonlyMap<Service, Outcome> {
  const family = familyOf(pool.cidr);
  const owners = new Map<string, string>();
  const outcomes = new Map<Service, Outcome>();
  const give = (service: Service, address: string) => {
    owners.set(address, keyOf(service));
    outcomes.set(service, { address });
  };
  const mine = waiting.filter((service) => familiesOf(service).includes(family));
  for (const service of mine) {
    const [present] = addressesOf(service, [pool]);
    const asked = askedAddress(service, family);
    if (present && !owners.has(present) && (asked ?? present) === present) give(service, present);
  }
  for (const service of mine) {
    const asked = askedAddress(service, family);
    if (asked === undefined || outcomes.has(service)) continue;
    const owner = owners.get(asked);
    if (owner) outcomes.set(service, { trouble: `the address ${asked} is that of Service ${owner}` });
    else if (isUsable(asked, pool)) give(service, asked);
    else outcomes.set(service, { trouble: `${asked} is not an address for Services in ${pool.cidr}` });
  }
  const free = freeAddresses(pool, owners);
  for (const service of mine) {
    if (outcomes.has(service)) continue;
    const { value: address } = free.next();
    if (address) give(service, address);
    else outcomes.set(service, { trouble: `no address is free in ${pool.cidr}` });
  }
  return outcomes;
}

export function keyOf({ metadata }: Service): string {
  return `${metadata?.namespace}/${metadata?.name}`;
}

/** The first and the last address of a network are nobody's. */
function isUsable(address: string, { cidr, reserved }: AddressPool): boolean {
  const network = parseCIDR(cidr);
  const index = indexOf(network, address) ?? 0;
  return index > 0 && index < sizeOf(network) - 1 && !reserved.includes(address);
}

function* freeAddresses(pool: AddressPool, owners: ReadonlyMap<string, string>): Generator<string, undefined> {
  const network = parseCIDR(pool.cidr);
  for (let index = 1; index < sizeOf(network) - 1; index++) {
    const address = addressAt(network, index);
    if (!owners.has(address) && !pool.reserved.includes(address)) yield address;
  }
  return undefined;
}

function familiesOf({ spec }: Service): IPFamily[] {
  return (spec?.ipFamilies ?? ['IPv4']).map((family) => (family === 'IPv6' ? 'ipv6' : 'ipv4'));
}

/** `spec.loadBalancerIP`, which can name an address of one family. */
function askedAddress({ spec }: Service, family: IPFamily): string | undefined {
  const asked = spec?.loadBalancerIP;
  return asked && familyOf(asked) === family ? (canonicalAddress(asked) ?? asked) : undefined;
}

function byAge(a: Service, b: Service): number {
  const time = (each: Service) => each.metadata?.creationTimestamp ?? '';
  if (time(a) !== time(b)) return time(a) < time(b) ? -1 : 1;
  return keyOf(a) < keyOf(b) ? -1 : 1;
}
