import { hollowLabel } from '../api/node-labels.ts';
import { nodes } from '../api/resource.ts';
import type { Node } from '../api/types.ts';
import { familyOf } from '../base/cidr.ts';
import type { Log } from '../base/log.ts';
import type { Running } from '../base/running.ts';
import { runController } from '../client/controller.ts';
import type { InformerFactory } from '../client/informer.ts';
import { ipBatch, routesOf, rulesOf } from '../kernel/ip.ts';

/** Marks the fabric's routes as ours: the number that the kernel keeps as a route's protocol. */
const protocol = 75;

/** Of what this namespace itself sends. */
const ownTable = '75';

export interface RoutesOptions {
  readonly informers: InformerFactory;
  readonly log: Log;
  /** The fabric forwards to pods. If not, only the API server in it reaches them, by way of their nodes. */
  readonly forwards: boolean;
}

/** Nodes come in groups; their routes are then one batch. */
const settleMs = 20;

/**
 * The cloud's route controller: in the fabric's namespace, where it must run, each node's pod CIDR is routed to the
 * node's address.
 */
export async function startRoutes(options: RoutesOptions): Promise<Running> {
  const informer = options.informers.informer(nodes);
  const controller = runController({
    name: 'routes',
    log: options.log,
    sync: () => reconcile(informer.list(), options.forwards ? 'main' : ownTable),
  });
  informer.onChange((node, old) => {
    if (routesTo(node).join() !== routesTo(old).join()) controller.enqueueAfter('all', settleMs);
  });
  if (!options.forwards) await routeOwnPackets();
  await options.informers.start();
  controller.enqueue('all');
  return controller;
}

async function routeOwnPackets(): Promise<void> {
  const rule = `pref 900 iif lo lookup ${ownTable}`;
  for (const family of ['ipv4', 'ipv6'] as const) {
    if ((await rulesOf(protocol, family)).includes(rule)) continue;
    await ipBatch([`rule add ${rule} proto ${protocol}`], undefined, family);
  }
}

/** Makes the routes what the nodes say, in one batch. */
async function reconcile(all: readonly Node[], table: string): Promise<void> {
  const wanted = new Set(all.flatMap(routesTo).map((route) => `${route} table ${table}`));
  const present = new Set(
    (await routesOf(protocol)).map(({ destination, gateway, table }) => `${destination} via ${gateway} table ${table}`),
  );
  await ipBatch([
    ...[...present].filter((route) => !wanted.has(route)).map((route) => `route del ${route} proto ${protocol}`),
    ...[...wanted].filter((route) => !present.has(route)).map((route) => `route replace ${route} proto ${protocol}`),
  ]);
}

/** `10.244.1.0/24 via 10.89.0.11`, one a family. Hollow nodes have no link. */
function routesTo(node: Node | undefined): string[] {
  if (node?.metadata?.labels?.[hollowLabel]) return [];
  const addresses = (node?.status?.addresses ?? []).filter((each) => each.type === 'InternalIP');
  return (node?.spec?.podCIDRs ?? []).flatMap((podCIDR) => {
    const gateway = addresses.find(({ address }) => familyOf(address) === familyOf(podCIDR));
    return gateway ? [`${podCIDR} via ${gateway.address}`] : [];
  });
}
