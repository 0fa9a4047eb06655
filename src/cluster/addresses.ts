import { addressAt, type CIDR, formatCIDR, type IPFamily, overlaps, parseCIDR, sizeOf } from '../base/cidr.ts';
import { KnitError } from '../base/errors.ts';
import type { ClusterAddresses, IPv6Addresses } from './config.ts';
import type { ClusterSpec } from './spec.ts';
import { askedNetwork, nodeSpecs } from './spec-values.ts';

/** How many clusters find addresses of their own on one machine. */
const slots = 8;

/** A network that is taken, and by whom: `eth0 of this machine`, `cluster demo`. */
export interface TakenNetwork {
  readonly cidr: string;
  readonly by: string;
}

/**
 * Chooses the networks of a cluster: what the specification asks for, and for the rest the first of eight sets that
 * touches nothing in `taken`. All sets but the first, whose addresses people name in their hosts file, keep out of the
 * way of `named` hosts too. Throws `ADDRESS_TAKEN` where what was asked for overlaps, `ADDRESSES_EXHAUSTED` where all
 * eight sets are taken.
 */
export function chooseAddresses(
  spec: ClusterSpec,
  taken: readonly TakenNetwork[],
  named: readonly TakenNetwork[] = [],
): ClusterAddresses {
  const asked = askedNetworks(spec);
  for (const [field, cidr] of asked) refuseOverlap(field, cidr, [...reserved, ...taken]);
  refuseOverlapWithin(asked);
  for (let slot = 0; slot < slots; slot++) {
    const addresses = addressesOfSlot(spec, slot);
    const networks = networksOf(addresses);
    const others = slot === 0 ? taken : [...taken, ...named];
    if (networks.every((cidr) => !others.some((other) => overlaps(parseCIDR(other.cidr), cidr))) && areApart(networks))
      return addresses;
  }
  throw new KnitError(
    'ADDRESSES_EXHAUSTED',
    `no free networks are left beside those of ${[...new Set([...taken, ...named].map(({ by }) => by))].join(', ')}`,
    'remove a cluster, or choose the networks in a cluster file',
  );
}

/** What every cluster has at a fixed place: its links to the host and the uplink, and its nodes' outside addresses. */
const reserved: readonly TakenNetwork[] = [
  { cidr: '10.89.254.0/23', by: "knit's own links" },
  { cidr: '198.18.0.0/21', by: 'addresses of nodes outside' },
];

function areApart(networks: readonly CIDR[]): boolean {
  return networks.every((cidr, index) => !networks.slice(index + 1).some((other) => overlaps(cidr, other)));
}

/** All networks that a cluster with these addresses uses. */
export function networksOf(addresses: ClusterAddresses): CIDR[] {
  const { podCIDR, serviceCIDR, nodeCIDR, clientCIDR, outsideCIDR, loadBalancerCIDR, host, ipv6 } = addresses;
  const link = { ...parseCIDR(`${host.host}/32`), bits: host.bits };
  const both = [podCIDR, serviceCIDR, nodeCIDR, clientCIDR, outsideCIDR, loadBalancerCIDR];
  both.push(formatCIDR({ ...link, base: link.base - 1n }));
  if (ipv6) both.push(ipv6.podCIDR, ipv6.serviceCIDR, ipv6.nodeCIDR, ipv6.clientCIDR, ipv6.loadBalancerCIDR);
  return both.map(parseCIDR);
}

function addressesOfSlot(spec: ClusterSpec, slot: number): ClusterAddresses {
  const asked = askedFor(spec, 'ipv4');
  const { ipFamily } = spec.network;
  const ipv6 = ipFamily === 'ipv4' ? undefined : ipv6OfSlot(spec, slot);
  const only6 = ipFamily === 'ipv6' ? ipv6 : undefined;
  const nodeCIDR = asked.nodeCIDR ?? `10.89.${slot}.0/24`;
  const serviceCIDR = asked.serviceCIDR ?? `10.${96 + slot}.0.0/16`;
  const loadBalancerCIDR = asked.loadBalancerCIDR ?? defaultLoadBalancerCIDR(slot);
  return {
    podCIDR: asked.podCIDR ?? `10.${244 - slot}.0.0/16`,
    serviceCIDR,
    nodeCIDR,
    // TEST-NET-2 (RFC 5737) for the world outside, the benchmarking range (RFC 2544) for the nodes' places in it.
    clientCIDR: asked.clientCIDR ?? `198.51.100.${slot * 32}/27`,
    outsideCIDR: `198.18.${slot}.0/24`,
    loadBalancerCIDR,
    ingress: ingressAddress(loadBalancerCIDR),
    fabric: addressAt(parseCIDR(nodeCIDR), 1),
    dns: addressAt(parseCIDR(only6?.serviceCIDR ?? serviceCIDR), 10),
    host: {
      interface: `knit${slot}`,
      host: `10.89.255.${slot * 4 + 1}`,
      fabric: `10.89.255.${slot * 4 + 2}`,
      bits: 30,
    },
    uplinkCIDR: '10.89.254.0/24',
    ...(ipv6 ? { ipv6 } : {}),
  };
}

/** Unique local addresses (RFC 4193): a /48 of its own for each cluster, `6b6e:6974` is `knit`. */
function ipv6OfSlot(spec: ClusterSpec, slot: number): IPv6Addresses {
  const ula = `fd6b:6e69:740${slot}`;
  const asked = askedFor(spec, 'ipv6');
  const nodeCIDR = asked.nodeCIDR ?? `${ula}:89::/64`;
  const loadBalancerCIDR = asked.loadBalancerCIDR ?? `${ula}:203::/112`;
  return {
    podCIDR: asked.podCIDR ?? `${ula}:100::/56`,
    serviceCIDR: asked.serviceCIDR ?? `${ula}:96::/112`,
    nodeCIDR,
    clientCIDR: asked.clientCIDR ?? `${ula}:51::/64`,
    loadBalancerCIDR,
    ingress: ingressAddress(loadBalancerCIDR),
    fabric: addressAt(parseCIDR(nodeCIDR), 1),
  };
}

/** A part of TEST-NET-3 (RFC 5737). */
export function defaultLoadBalancerCIDR(slot: number): string {
  return `203.0.113.${slot * 32}/27`;
}

/** The first address after the network's own. */
export function ingressAddress(loadBalancerCIDR: string): string {
  return addressAt(parseCIDR(loadBalancerCIDR), 1);
}

function askedNetworks(spec: ClusterSpec): (readonly [string, CIDR])[] {
  const nodes = nodeSpecs(spec).length;
  const asked = (['ipv4', 'ipv6'] as const).flatMap((family) => Object.entries(askedFor(spec, family)));
  return asked.flatMap(([name, text]) => {
    const field = `network.${name}`;
    return text === undefined
      ? []
      : [[field, roomyEnough(field, parseCIDR(text), nodes, spec.clients.length)] as const];
  });
}

function askedFor({ network }: ClusterSpec, family: IPFamily) {
  const { podCIDR, serviceCIDR, nodeCIDR, clientCIDR, loadBalancerCIDR } = network;
  return {
    podCIDR: askedNetwork(podCIDR, family),
    serviceCIDR: askedNetwork(serviceCIDR, family),
    nodeCIDR: askedNetwork(nodeCIDR, family),
    clientCIDR: askedNetwork(clientCIDR, family),
    loadBalancerCIDR: askedNetwork(loadBalancerCIDR, family),
  };
}

/** Where the addresses of nodes begin in their network: the fabric has the first, the first node .11. */
export const firstNode = 11;

/** Where those of clients begin: the fabric has the first. */
export const firstClient = 2;

/** Length of a node's part of the pods' network: a /24 or a /64. */
export const nodeMask: Readonly<Record<IPFamily, number>> = { ipv4: 24, ipv6: 64 };
const addressesOfNode: Readonly<Record<IPFamily, number>> = { ipv4: 2 ** 8, ipv6: 2 ** 64 };

/** kube-apiserver's own limit, a /108: it keeps account of each. */
const MAX_SERVICES = 2 ** 20;

/** A node gets its part of the pods' network; the others must hold what stands at fixed places in them. */
function roomyEnough(field: string, cidr: CIDR, nodes: number, clients: number): CIDR {
  const least =
    {
      'network.podCIDR': addressesOfNode[cidr.family] * nodes,
      'network.nodeCIDR': firstNode + nodes + 1,
      'network.clientCIDR': clients + 3,
      'network.loadBalancerCIDR': 4,
    }[field] ?? 32;
  if (field === 'network.serviceCIDR' && sizeOf(cidr) > MAX_SERVICES) {
    throw new KnitError(
      'CIDR_TOO_LARGE',
      `${field}: ${formatCIDR(cidr)} has more than ${MAX_SERVICES} addresses`,
      'a prefix of 108 bits or more is what Kubernetes takes of IPv6',
    );
  }
  if (sizeOf(cidr) >= least) return cidr;
  throw new KnitError(
    'CIDR_TOO_SMALL',
    `${field}: ${formatCIDR(cidr)} has ${sizeOf(cidr)} addresses; ${least} are needed`,
    field === 'network.podCIDR'
      ? `a node takes a /${nodeMask[cidr.family]} of it: choose a larger network`
      : 'choose a larger network',
  );
}

function refuseOverlap(field: string, cidr: CIDR, taken: readonly TakenNetwork[]): void {
  const other = taken.find((each) => overlaps(parseCIDR(each.cidr), cidr));
  if (!other) return;
  throw new KnitError(
    'ADDRESS_TAKEN',
    `${field}: ${formatCIDR(cidr)} overlaps ${other.cidr} (${other.by})`,
    'choose another network, or leave it out and knit chooses one',
  );
}

function refuseOverlapWithin(asked: readonly (readonly [string, CIDR])[]): void {
  for (const [index, [field, cidr]] of asked.entries()) {
    const other = asked.slice(index + 1).find(([, each]) => overlaps(cidr, each));
    if (other) throw new KnitError('ADDRESS_TAKEN', `${field} and ${other[0]} overlap`, 'choose networks apart');
  }
}
