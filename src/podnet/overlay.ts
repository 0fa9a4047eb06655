import { createHash } from 'node:crypto';
import { hollowLabel } from '../api/node-labels.ts';
import { nodes } from '../api/resource.ts';
import type { Node } from '../api/types.ts';
import { addressAt, familyOf, parseCIDR } from '../base/cidr.ts';
import type { Log } from '../base/log.ts';
import { canonicalAddress } from '../base/prefixes.ts';
import type { Running } from '../base/running.ts';
import { runController } from '../client/controller.ts';
import type { InformerFactory } from '../client/informer.ts';
import { applyVxlan, type VxlanPlan } from './vxlan.ts';

/** An end of the tunnels between nodes: where tunnelled packets for it go, and what lies behind it. */
export interface OverlayEnd {
  /** The address that tunnelled packets are sent to: of IPv4 where the cluster has it. */
  readonly at: string;
  /** Its own addresses inside, one a family: what it sends has them as source, so that answers come by the tunnel too. */
  readonly addresses: readonly string[];
  /** Networks that are reached through it, beside its own addresses. */
  readonly networks: readonly string[];
}

/** What a tunnel to this address takes of each packet: outer IP, UDP and VXLAN headers, inner Ethernet (RFC 7348 §5). */
export function tunnelBytes(at: string): number {
  return (familyOf(at) === 'ipv4' ? 20 : 40) + 8 + 8 + 14;
}

/** Of the tunnels' devices and of pods. */
export const overlayMtu = (at: string): number => 1500 - tunnelBytes(at);

export interface OverlayOptions {
  readonly informers: InformerFactory;
  readonly log: Log;
  /** This end: a node by its name, or somebody else, who must be among the `ends` of every node. */
  readonly self: { readonly node: string } | OverlayEnd;
  /** Ends that are no nodes. */
  readonly ends?: readonly OverlayEnd[];
  /** Named network namespace that the tunnel ends in. Default: this process' own. */
  readonly netns?: string;
}

/** Nodes come in groups. */
const SETTLE_MS = 20;

/**
 * Keeps a VXLAN device between this end and all nodes. Nobody learns from packets: who is where follows from the nodes'
 * objects. The device stays when it stops: packets go on.
 */
export async function startOverlay(options: OverlayOptions): Promise<Running> {
  const { informers, log, self, netns } = options;
  const informer = informers.informer(nodes);
  const controller = runController({
    name: 'overlay',
    log,
    informers: [informer],
    workers: 1,
    async sync() {
      const ends = informer.list().flatMap((node) => endOf(node) ?? []);
      const own = 'node' in self ? endOf(informer.get(self.node)) : self;
      if (own) await applyVxlan(planOverlay(own, [...ends, ...(options.ends ?? [])]), netns);
    },
  });
  informer.onChange((now, old) => {
    if (JSON.stringify(endOf(now)) !== JSON.stringify(endOf(old))) controller.enqueueAfter('all', SETTLE_MS);
  });
  await informers.start();
  controller.enqueue('all');
  return controller;
}

/** What the kernel of `own` should hold. */
export function planOverlay(own: OverlayEnd, ends: readonly OverlayEnd[]): VxlanPlan {
  const others = ends.filter(({ at }) => at !== own.at);
  return {
    at: own.at,
    mac: macOf(own.at),
    mtu: overlayMtu(own.at),
    addresses: own.addresses,
    peers: others.map(({ at, addresses, networks }) => ({
      at,
      mac: macOf(at),
      addresses,
      routes: [
        // Beside what lies behind it, an end that is no node is an address by itself.
        ...(networks.length > 0
          ? networks
          : addresses.map((address) => `${address}/${familyOf(address) === 'ipv4' ? 32 : 128}`)),
      ].flatMap((to) => {
        const via = addresses.find((address) => familyOf(address) === familyOf(to));
        return via ? [{ to, via }] : [];
      }),
    })),
  };
}

/** Of a node that has a pod network and a place where packets can be sent to. The first address of each is its own. */
function endOf(node: Node | undefined): OverlayEnd | undefined {
  const networks = node?.spec?.podCIDRs ?? [];
  const at = tunnelAddressOf(node);
  if (!at || networks.length === 0 || node?.metadata?.labels?.[hollowLabel] !== undefined) return undefined;
  const addresses = networks.map((cidr) => addressAt(parseCIDR(cidr), 0)).map((each) => canonicalAddress(each) ?? each);
  return { at, addresses, networks };
}

/** Where tunnelled packets for a node are sent to. */
export function tunnelAddressOf(node: Node | undefined): string | undefined {
  const addresses = (node?.status?.addresses ?? []).flatMap(({ type, address }) =>
    type === 'InternalIP' ? (canonicalAddress(address) ?? []) : [],
  );
  return addresses.find((address) => familyOf(address) === 'ipv4') ?? addresses[0];
}

/** Locally administered, and the same for everybody who knows the address. */
function macOf(at: string): string {
  // All of an IPv6 address counts, and it is longer than what there is room for.
  const own =
    familyOf(at) === 'ipv4' ? at.split('.').map(Number) : createHash('sha256').update(at).digest().subarray(0, 4);
  return [0x6a, 0x6e, ...own].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}
