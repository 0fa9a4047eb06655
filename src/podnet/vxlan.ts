import { familyOf, type IPFamily } from '../base/cidr.ts';
import { addressesOn, bridgeBatch, forwardingEntries, ipBatch, neighboursOn, routesOn } from '../kernel/ip.ts';
import { VXLAN_PORT } from '../kernel/packet.ts';

/** A VXLAN device and everything that is known of its peers, as a plain value. */
export interface VxlanPlan {
  /** The address that tunnelled packets come to. */
  readonly at: string;
  readonly mac: string;
  readonly mtu: number;
  readonly addresses: readonly string[];
  readonly peers: readonly VxlanPeer[];
}

export interface VxlanPeer {
  readonly at: string;
  readonly mac: string;
  readonly addresses: readonly string[];
  readonly routes: readonly { readonly to: string; readonly via: string }[];
}

export const vxlanDevice = 'knit-vxlan';

/** Any number will do: a cluster's network is its own. */
export const vxlanNumber = 7274;

/** Brings the kernel to the plan: what is right stays untouched, packets go on. */
export async function applyVxlan(plan: VxlanPlan, netns?: string): Promise<void> {
  const device = vxlanDevice;
  const present = await addressesOn(device, netns);
  if (present?.toSorted().join() !== plan.addresses.toSorted().join()) {
    await ipBatch(
      [
        ...(present ? [`link del ${device}`] : []),
        `link add ${device} address ${plan.mac} mtu ${plan.mtu} type vxlan id ${vxlanNumber} local ${plan.at} dstport ${VXLAN_PORT} nolearning`,
        ...plan.addresses.map((address) => `addr add ${alone(address)} dev ${device}`),
        `link set ${device} up`,
      ],
      netns,
    );
  }
  const [routes, neighbours, entries] = await Promise.all([
    routesOn(device, netns),
    neighboursOn(device, netns),
    forwardingEntries(device, netns),
  ]);
  const wanted = wantedOf(plan);
  // First how to reach a peer, then that things are reached through it; and the other way round to forget it.
  await bridgeBatch(
    missing(wanted.entries, entries).map((entry) => `fdb replace ${entry} dev ${device} self`),
    netns,
  );
  await ipBatch(
    [
      ...missing(wanted.neighbours, neighbours).map((each) => `neigh replace ${each} dev ${device} nud permanent`),
      ...missing(wanted.routes, routes).map((route) => `route replace ${route} dev ${device} onlink`),
      ...missing(routes, wanted.routes).map((route) => `route del ${route} dev ${device}`),
      ...missing(neighbours, wanted.neighbours).map((each) => `neigh del ${each.split(' ')[0]} dev ${device}`),
    ],
    netns,
  );
  await bridgeBatch(
    missing(entries, wanted.entries).map((entry) => `fdb del ${entry} dev ${device} self`),
    netns,
  );
}

/** As `ip` and `bridge` take them, but for the device. */
function wantedOf({ peers }: VxlanPlan) {
  return {
    entries: peers.map(({ mac, at }) => `${mac} dst ${at}`),
    neighbours: peers.flatMap(({ mac, addresses }) => addresses.map((address) => `${address} lladdr ${mac}`)),
    routes: peers.flatMap(({ routes }) => routes.map(({ to, via }) => `${to} via ${via}`)),
  };
}

function missing(wanted: readonly string[], present: readonly string[]): string[] {
  return wanted.filter((each) => !present.includes(each));
}

function alone(address: string): string {
  const family: IPFamily = familyOf(address);
  return family === 'ipv4' ? `${address}/32` : `${address}/128 nodad`;
}
