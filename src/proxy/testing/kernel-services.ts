import { NftListing } from '../../kernel/nft-listing.ts';
import type { Destination, Family, FrontEnd, PortPlan, ServicePlan } from '../plan.ts';

/**
 * What a kernel does with new connections from the node itself and from pods: for each `ADDRESS tcp 80` (`ipv4 node` for
 * node ports) its endpoints, sorted, or `refuse` or `drop`. Read from the rules alone, and made from a plan: the two must agree.
 */
export type KernelServices = Map<string, string>;

export function servicesOfPlan(plan: ServicePlan): KernelServices {
  const services: KernelServices = new Map();
  const entries = [...plan.values()].sort((a, b) => (`${a.createdAt} ${a.key}` < `${b.createdAt} ${b.key}` ? -1 : 1));
  for (const { ports } of entries) {
    for (const port of ports) {
      for (const front of port.frontEnds) {
        const id = frontId(front, port);
        if (!services.has(id)) services.set(id, endpointsOf(port, front.fromCluster));
      }
    }
  }
  return services;
}

function frontId(front: FrontEnd, port: PortPlan): string {
  return `${front.address ?? `${port.family} node`} ${port.protocol} ${front.port}`;
}

function endpointsOf(port: PortPlan, destination: Destination): string {
  if (destination === 'refuse' || destination === 'drop') return destination;
  return (port.pools[destination] ?? [])
    .map(({ address, port }) => `${address} ${port}`)
    .sort()
    .join(', ');
}

/** From `nft -j list table ip knit`, or `ip6`. */
export function servicesOfNftables(text: string, family: Family): KernelServices {
  const listing = new NftListing((JSON.parse(text) as { nftables: readonly unknown[] }).nftables);
  const map = (name: string) =>
    new Map(
      [...listing.elements(name)].map(({ key, value }) => [key.replaceAll(' . ', ' '), value.replaceAll(' . ', ' ')]),
    );
  const [shapes, slots, picks, serials] = [map('shape'), map('slot'), map('pick'), map('ep')];
  const services: KernelServices = new Map();
  for (const [front, value] of [
    ...map('vip'),
    ...[...map('np')].map(([key, each]) => [`${family} node ${key}`, each] as const),
  ]) {
    services.set(front, behind(Number(numberOf(value)), shapes, slots, picks, serials));
  }
  return services;
}

const SHAPE_BITS = 14;

function behind(
  value: number,
  shapes: ReadonlyMap<string, string>,
  slots: ReadonlyMap<string, string>,
  picks: ReadonlyMap<string, string>,
  serials: ReadonlyMap<string, string>,
): string {
  const shape = value % 2 ** SHAPE_BITS;
  if (shape === 0) return 'refuse';
  if (shape === 2 ** SHAPE_BITS - 1) return 'drop';
  const chain = [...shapes].find(([key]) => numberOf(key) === shape)?.[1] ?? '';
  const count = Number(/(?:^|[^\w])[na](\d+)/.exec(chain)?.[1] ?? Number.NaN);
  const endpoints = Array.from({ length: count }, (_, slot) => {
    const at = classid(value - shape + slot);
    return slots.get(at) ?? serials.get(picks.get(at) ?? '') ?? 'missing';
  });
  return endpoints.sort().join(', ');
}

function numberOf(text: string): number {
  if (text === 'none') return 0;
  const [high = '0', low = '0'] = text.split(':');
  return Number.parseInt(high, 16) * 65536 + Number.parseInt(low, 16);
}

function classid(value: number): string {
  return value === 0 ? 'none' : `${Math.floor(value / 65536).toString(16)}:${(value % 65536).toString(16)}`;
}

/** From `iptables-save` of `nat` and of `filter`, or `ip6tables-save`. */
export function servicesOfIptables(nat: string, filter: string, family: Family): KernelServices {
  const chains = Map.groupBy(
    [...nat.matchAll(/^-A (\S+) (.*)$/gm)].map(([, chain = '', rule = '']) => ({ chain, rule })),
    ({ chain }) => chain,
  );
  const services: KernelServices = new Map();
  for (const name of ['KUBE-SERVICES', 'KUBE-NODEPORTS', 'KUBE-HOSTPORTS']) {
    for (const { rule } of chains.get(name) ?? []) {
      const id = tupleOf(rule, name === 'KUBE-NODEPORTS' ? family : undefined);
      const target = /-j (KUBE-(?:SVC|SVL|EXT|FW|HP)-\w+)/.exec(rule)?.[1];
      if (!id || !target || services.has(id)) continue;
      const endpoints = [...new Set(targetsOf(target, chains))].sort();
      services.set(id, endpoints.join(', ') || 'drop');
    }
  }
  for (const [, chain = '', rule = ''] of filter.matchAll(/^-A (KUBE-(?:EXTERNAL-)?SERVICES) (.*)$/gm)) {
    const id = tupleOf(rule, rule.includes('-d ') ? undefined : family);
    // Of outside traffic alone says `KUBE-EXTERNAL-SERVICES`, where the Service has endpoints elsewhere.
    if (id && !(chain === 'KUBE-EXTERNAL-SERVICES' && services.has(id))) {
      services.set(id, / -j DROP$/.test(rule) ? 'drop' : 'refuse');
    }
  }
  return services;
}

function tupleOf(rule: string, onNode: Family | undefined): string | undefined {
  const protocol = /-p (\w+)/.exec(rule)?.[1];
  const port = /--dport (\d+)/.exec(rule)?.[1];
  const address = /-d (\S+?)(?:\/\d+)? /.exec(rule)?.[1];
  if (!protocol || !port || (!address && !onNode)) return undefined;
  return `${onNode ? `${onNode} node` : address} ${protocol} ${port}`;
}

type Chains = ReadonlyMap<string, readonly { readonly rule: string }[]>;

/** Where a chain leads the node's own connections: past what is for others, to `DNAT`. */
function targetsOf(chain: string, chains: Chains): string[] {
  return (chains.get(chain) ?? []).flatMap(({ rule }) => {
    const to = /--to-destination (\S+):(\d+)/.exec(rule);
    if (to) return [`${to[1]?.replaceAll(/[[\]]/g, '')} ${to[2]}`];
    const next = /-j (KUBE-(?:SVC|SEP|EXT|HP)-\w+)/.exec(rule)?.[1];
    return next ? targetsOf(next, chains) : [];
  });
}

/** Lines that say where two disagree; none where they agree. */
export function differences(kernel: KernelServices, planned: KernelServices): string[] {
  const ids = new Set([...kernel.keys(), ...planned.keys()]);
  return [...ids]
    .filter((id) => kernel.get(id) !== planned.get(id))
    .map((id) => `${id}: kernel ${kernel.get(id) ?? 'nothing'}, plan ${planned.get(id) ?? 'nothing'}`);
}
